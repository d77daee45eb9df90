element.addEventListener('click', (event) => {
  if (event.target.matches('dialog')) event.target.close(); // on the backdrop
  const why = event.target.closest('.why button');
  if (!why) return;
  if (element.querySelector('canvas').dataset.drawn) return show(why.ariaPressed === 'false');
  why.disabled = true;
  element.querySelector('.why span').textContent = 'The encoder looks at the picture with one part after the other covered …';
  trigger('why', {gallery: why.dataset.gallery, row: Number(why.dataset.row)});
});
// Which parts carry the score, over the picture, or the picture alone. A video gives place to its still frame.
function show(parts) {
  const [video, unplayed] = [element.querySelector('video'), element.querySelector('.unplayed')];
  const plays = video && unplayed.hidden;
  video?.pause();
  if (plays) [video.hidden, element.querySelector('img').hidden] = [parts, !parts];
  element.querySelector('canvas').hidden = !parts;
  element.querySelector('.why button').ariaPressed = String(parts);
}
// Neither event bubbles.
element.addEventListener('close', (event) => event.target.querySelector('video')?.pause(), true);
element.addEventListener('error', (event) => { // of a kind that this browser does not play: the still frame instead
  if (!event.target.matches('video')) return;
  event.target.hidden = true;
  for (const instead of element.querySelectorAll('.unplayed, img')) instead.hidden = false;
}, true);
