element.addEventListener('click', (event) => {
  if (event.target.matches('dialog')) event.target.close(); // on the backdrop
});
// Neither event bubbles.
element.addEventListener('close', (event) => event.target.querySelector('video')?.pause(), true);
element.addEventListener('error', (event) => { // of a kind that this browser does not play: the still frame instead
  if (!event.target.matches('video')) return;
  event.target.hidden = true;
  for (const instead of element.querySelectorAll('.unplayed, img')) instead.hidden = false;
}, true);
