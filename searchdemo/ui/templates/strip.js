// Edits of the query's text. A weight that is dragged is an `input`; a `submit` has the strip drawn again. The text
// travels in the strip's dataset, where STRIP_TEXT takes it. Tiles ask for a term by the event `add-term`.
const strip = element.closest('.block');
const signed = (weight) => weight.startsWith('-') ? [' - ', weight.slice(1)] : [' + ', weight];
const chips = () => [...element.querySelectorAll('.term:not([hidden])')];
let base, more;  // the text is what the chips say, and what was added since they were drawn
let sent = [];  // texts whose strips are on their way; they do not know of
const dragged = new Map();  // the weights that were dragged meanwhile, by the term

const whole = () => (base + more).replace(/^ \+ /, '').trim();
function written() { // as collection/terms.py writes it
  return chips().map(({dataset}) => {
    const [sign, size] = signed(dataset.weight);
    return sign + (size === '1' ? '' : `${size}: `) + dataset.written;
  }).join('');
}
function edit(event = 'submit') {
  strip.dataset.text = whole();
  if (event === 'submit') sent.push(whole());
  trigger(event);
}
function add(term) {
  const sign = /^[-+\u2212\uff0b\uff0d](\s|$)/.test(term);
  more += whole() ? ` ${sign ? '' : '+ '}${term}` : term;
  edit();
}
function weigh(chip, weight) {
  chip.querySelector('input').setAttribute('value', weight); // what gradio compares with at the next drawing
  chip.dataset.weight = chip.querySelector('output').textContent = chip.querySelector('input').value = weight;
  chip.classList.toggle('less', weight.startsWith('-'));
}
function drawn() {
  const text = element.querySelector('.terms').dataset.text ?? '', answered = sent.indexOf(text) + 1;
  sent = answered ? sent.slice(answered) : []; // else it is another query
  if (!answered) dragged.clear();
  const moved = chips().filter(({dataset}) => dragged.has(dataset.written) && dragged.get(dataset.written) !== dataset.weight);
  for (const chip of moved) weigh(chip, dragged.get(chip.dataset.written));
  if (sent.length) return;
  [base, more] = [moved.length ? written() : text, ''];
  dragged.clear();
  if (moved.length) edit('input');
}

element.addEventListener('input', ({target}) => {
  const chip = target.closest('.term');
  if (!chip) return;
  weigh(chip, target.value);
  if (sent.length) dragged.set(chip.dataset.written, target.value);
  base = written();
  edit('input');
});
element.addEventListener('click', ({target, detail}) => {
  const chip = target.closest('button') && target.closest('.term');
  if (!chip) return;
  chip.hidden = true;
  base = written();
  edit();
  if (!detail) element.querySelector('form input').focus(); // by a key: its button goes away
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  const field = event.target.elements.more;
  if (field.value.trim()) add(field.value.trim());
  field.value = '';
});
strip.addEventListener('add-term', ({detail}) => add(detail));
watch('value', drawn);
drawn();
