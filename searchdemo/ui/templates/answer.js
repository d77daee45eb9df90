{% include "bars.js" %}

element.addEventListener('click', (event) => {
  const remedy = event.target.closest('[data-param]');
  if (remedy) trigger('apply', {param: remedy.dataset.param, value: Number(remedy.dataset.value)});
  if (event.target.closest('[data-cancel]')) trigger('stop');
  if (event.target.closest('[data-draw]')) trigger('draw');
});
watch('value', () => {
  const next = element.querySelector('[data-then]')?.dataset.then, vector = element.querySelector('[data-numbers]');
  if (vector) drawBars(vector, numbersOf(vector), highestOf(numbersOf(vector)));
  if (next === 'build') trigger('build'); // an index that is missing
  if (next === 'built') trigger('built');
});
