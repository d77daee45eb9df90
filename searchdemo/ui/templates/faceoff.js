// A click marks a picture as right, in every column that has it; marks.js reads them when they are sent.
const same = (row) => element.querySelectorAll(`[data-row="${row}"]`);
element.addEventListener('click', (event) => {
  const tile = event.target.closest('[data-row]');
  if (!tile) return;
  const right = tile.getAttribute('aria-pressed') !== 'true';
  same(tile.dataset.row).forEach((one) => one.setAttribute('aria-pressed', String(right)));
  trigger('select');
});
// The same picture in other columns is shown while the pointer or the focus is on one.
const point = (event, on) => {
  const tile = event.target.closest?.('[data-row]');
  if (tile) same(tile.dataset.row).forEach((one) => one.classList.toggle('same', on && one !== tile));
};
for (const [name, on] of [['mouseover', true], ['mouseout', false], ['focusin', true], ['focusout', false]])
  element.addEventListener(name, (event) => point(event, on));
