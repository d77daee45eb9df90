// Edits of the query's text. A weight that is dragged is an `input`; a `submit` has the strip drawn again. The text
// travels in the strip's dataset, where STRIP_TEXT takes it. Tiles ask for a term by the event `add-term`.
const strip = element.closest('.block');
const signed = (weight) => weight.startsWith('-') ? [' - ', weight.slice(1)] : [' + ', weight];

function written(chips) { // as collection/terms.py writes it
  const text = chips.map(({dataset}) => {
    const [sign, size] = signed(dataset.weight);
    return sign + (size === '1' ? '' : `${size}: `) + dataset.written;
  }).join('');
  return text.replace(/^ \+ /, '').trimStart();
}
function edit(text, event = 'submit') {
  element.querySelector('.terms').dataset.text = strip.dataset.text = text;
  trigger(event);
}
function add(more) {
  const text = element.querySelector('.terms').dataset.text ?? '', sign = /^[-+\u2212\uff0b\uff0d](\s|$)/.test(more);
  edit(text ? `${text} ${sign ? '' : '+ '}${more}` : more);
}

element.addEventListener('input', ({target}) => {
  const chip = target.closest('.term');
  if (!chip) return;
  target.setAttribute('value', target.value); // what gradio compares with at the next drawing
  chip.dataset.weight = chip.querySelector('output').textContent = target.value;
  chip.classList.toggle('less', target.value.startsWith('-'));
  edit(written([...element.querySelectorAll('.term')]), 'input');
});
element.addEventListener('click', ({target, detail}) => {
  const chip = target.closest('button') && target.closest('.term');
  if (!chip) return;
  edit(written([...element.querySelectorAll('.term')].filter((other) => other !== chip)));
  if (!detail) element.querySelector('form input').focus(); // by a key: its button goes away
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  const more = event.target.elements.more;
  if (more.value.trim()) add(more.value.trim());
  more.value = '';
});
strip.addEventListener('add-term', ({detail}) => add(detail));
