element.addEventListener('click', (event) => {
  if (event.target.matches('dialog')) event.target.close(); // on the backdrop
});
