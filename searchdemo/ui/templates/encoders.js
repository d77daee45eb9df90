element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-encoder]');
  if (!button) return;
  element.closest('.block').dataset.encoder = button.dataset.encoder;
  trigger('select');
});
