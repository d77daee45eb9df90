element.addEventListener('click', (event) => {
  const tile = event.target.closest('[data-number]');
  const corner = event.target.closest('[data-enlarge]'), term = event.target.closest('[data-add]');
  if (corner) trigger('enlarge', {number: Number(corner.dataset.enlarge)});
  if (term) document.getElementById('query').dispatchEvent(new CustomEvent('add-term', {detail: term.dataset.add}));
  if (!tile) return;
  element.closest('.block').dataset.clicked = JSON.stringify({number: Number(tile.dataset.number)}); // see takeoff.js
  trigger('select');
});
