element.addEventListener('click', (event) => {
  if (event.target.matches('dialog')) event.target.close(); // on the backdrop
  const why = event.target.closest('.why button');
  if (!why) return;
  if (element.querySelector('.map').dataset.drawn) return show(why.ariaPressed === 'false');
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
  element.querySelector('.map').hidden = !parts;
  element.querySelector('.why button').ariaPressed = String(parts);
}
// The part that matched, in the picture's own size, so that CSS lays both out in the same way.
function outline(picture) {
  const canvas = element.querySelector('.part');
  if (!canvas || !picture.naturalWidth) return;
  [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
  const [x, y, width, height] = canvas.dataset.part.split(',').map(Number);
  const drawn = canvas.getContext('2d'), line = Math.max(2, Math.min(canvas.width, canvas.height) / 100);
  for (const [style, size] of [['#0f172a', 2 * line], ['#fff', line]]) {
    [drawn.strokeStyle, drawn.lineWidth] = [style, size];
    drawn.strokeRect(x * canvas.width + line, y * canvas.height + line, width * canvas.width - 2 * line, height * canvas.height - 2 * line);
  }
}
element.addEventListener('load', (event) => event.target.matches('.shown img') && outline(event.target), true);
// None of these events bubbles.
element.addEventListener('close', (event) => event.target.querySelector('video')?.pause(), true);
element.addEventListener('error', (event) => { // of a kind that this browser does not play: the still frame instead
  if (!event.target.matches('video')) return;
  event.target.hidden = true;
  for (const instead of element.querySelectorAll('.unplayed, img')) instead.hidden = false;
}, true);
