element.addEventListener('click', (event) => {
  const tile = event.target.closest('[data-number]');
  if (tile) trigger('select', {number: Number(tile.dataset.number)});
});
