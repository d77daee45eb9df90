element.addEventListener('click', (event) => {
  const tile = event.target.closest('[data-number]');
  const corner = event.target.closest('[data-enlarge]');
  if (corner) trigger('enlarge', {number: Number(corner.dataset.enlarge)});
  if (tile) trigger('select', {number: Number(tile.dataset.number)});
});
