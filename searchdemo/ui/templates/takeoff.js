(...values) => {
  const flights = window.flights ??= {now: new Map(), crossed: false}; // requests on their way, by the tab or the tiles
  flights.now.set('{{ name }}', (flights.now.get('{{ name }}') ?? 0) + 1);
  if (flights.now.size > 1) flights.crossed = true;
{% if clicked %}
  values[0] = JSON.parse(document.getElementById('{{ name }}').dataset.clicked);
{% endif %}
  return values;
}
