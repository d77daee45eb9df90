() => { // at once: an answer from the server could come after a hand has moved the slider on
  const wanted = JSON.parse(document.querySelector('{{ source }}').dataset.sidebar);
  return {{ names | tojson }}.map((name) => {
    const value = wanted[name], range = document.querySelector(`#${name} input[type=range]`);
    if (!range || value === undefined) return value;
    return {__type__: 'update', maximum: Math.max(range.max, value), value}; // beyond its end, the slider becomes longer
  });
}
