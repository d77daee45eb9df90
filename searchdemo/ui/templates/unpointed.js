() => { // other bounds are asked for: back to the recommended setting
  const plot = document.getElementById('tradeoffs-plot');
  if (plot) plot.dataset.dot = plot.dataset.setting = '';
  for (const dot of plot?.querySelectorAll('.dot') ?? []) dot.setAttribute('aria-selected', dot.classList.contains('ringed'));
}
