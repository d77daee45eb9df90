(...values) => { // what is marked now: of clicks that follow each other closely, the last one tells of all
  const shown = document.querySelector('#faceoff-columns .faceoff');
  {% if nothing %}
  shown?.querySelectorAll('[data-row]').forEach((one) => one.setAttribute('aria-pressed', 'false'));
  {% endif %}
  const right = [...(shown?.querySelectorAll('[aria-pressed=true]') ?? [])].map((one) => Number(one.dataset.row));
  values[0] = {asked: shown?.dataset.asked ?? '', right: [...new Set(right)], none: {{ 'true' if nothing else 'false' }}};
  return values;
}
