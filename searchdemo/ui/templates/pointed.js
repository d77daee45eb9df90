(_, plot, ...values) => { // the dot that was clicked last, and which plot is there already, so that it need not come again
  const {dot = '', setting = ''} = document.getElementById('tradeoffs-plot')?.dataset ?? {};
  return [{dot, setting}, /data-plot="(\d+)"/.exec(plot)?.[1] ?? '', ...values];
}
