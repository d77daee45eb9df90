element.addEventListener('click', ({target}) => {
  const term = target.closest('[data-add]'), of = target.closest('[data-of]')?.dataset.of;
  if (term) document.getElementById('query').dispatchEvent(new CustomEvent('add-term', {detail: term.dataset.add}));
  if (target.closest('.enlarge')) trigger('enlarge', JSON.parse(of));
  if (!target.closest('.tile')) return;
  element.closest('.block').dataset.clicked = of; // see takeoff.js
  trigger('select');
});
