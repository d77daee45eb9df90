() => {
  const {flights} = window, left = flights.now.get('{{ name }}') - 1;
  if (left) flights.now.set('{{ name }}', left);
  else flights.now.delete('{{ name }}');
  if (flights.now.size || !flights.crossed) return;
  flights.crossed = false;
  ({{ refresh | safe }})();
}
