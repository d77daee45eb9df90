element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-build]');
  if (button) trigger('cancel', {build: button.dataset.build});
});
