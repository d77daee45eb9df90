element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-encoder]');
  if (button) trigger('select', {encoder: button.dataset.encoder});
});
