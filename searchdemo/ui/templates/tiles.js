element.addEventListener('click', (event) => {
  const tile = event.target.closest('[data-number]');
  const corner = event.target.closest('[data-enlarge]');
  if (corner) trigger('enlarge', {number: Number(corner.dataset.enlarge)});
  if (!tile) return;
  element.closest('.block').dataset.clicked = JSON.stringify({number: Number(tile.dataset.number)}); // see takeoff.js
  trigger('select');
});
