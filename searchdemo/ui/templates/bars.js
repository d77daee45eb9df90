// Numbers as bars: those of `data-numbers`, such as "12,-127,3", become two paths of the SVG, of what is above zero and below.
const numbersOf = (svg) => svg.dataset.numbers.split(',').map(Number);
function drawBars(svg, numbers, highest) {
  const path = (sign) => numbers.map((value, i) => (value * sign > 0 ? `M${i} 0h.8v${-value / highest}h-.8z` : '')).join('');
  svg.setAttribute('viewBox', `0 -1 ${numbers.length} 2`);
  svg.innerHTML = `<path d="${path(1)}"/><path class="below" d="${path(-1)}"/>`;
}
const highestOf = (numbers) => Math.max(...numbers.map(Math.abs), 1);
