let open = false; // a new answer leaves it as the visitor has it
element.addEventListener('toggle', (event) => { open = event.target.open; }, true);
watch('value', () => {
  const lesson = element.querySelector('details');
  if (lesson) lesson.open = open;
});
