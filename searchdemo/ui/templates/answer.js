element.addEventListener('click', (event) => {
  const remedy = event.target.closest('[data-param]');
  if (remedy) trigger('apply', {param: remedy.dataset.param, value: Number(remedy.dataset.value)});
  if (event.target.closest('[data-cancel]')) trigger('stop');
});
watch('value', () => {
  const next = element.querySelector('[data-then]')?.dataset.then;
  if (next === 'build') trigger('build'); // an index that is missing
  if (next === 'built') trigger('built');
});
