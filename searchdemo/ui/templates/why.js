(found) => {
  const element = document.querySelector('#enlarged');
  const [button, said] = [element.querySelector('.why button'), element.querySelector('.why span')];
  if (!button?.disabled) return; // another picture is enlarged by now, or this one for another query
  const answered = found && found.gallery === button.dataset.gallery && found.row === Number(button.dataset.row);
  button.disabled = false;
  said.textContent = answered ? found.said : 'No answer came: ask again in a moment.';
  if (!answered || !found.most) return;
  // Drawn in the picture's own size, so that CSS lays both out in the same way. What carries little is dark.
  const [picture, canvas] = [element.querySelector('.shown img'), element.querySelector('.map')];
  const cells = document.createElement('canvas');
  [cells.width, cells.height] = [found.drops[0].length, found.drops.length];
  const dark = cells.getContext('2d').createImageData(cells.width, cells.height);
  found.drops.flat().forEach((drop, cell) => {
    dark.data[4 * cell + 3] = 215 * (1 - Math.max(0, drop) / found.most);
  });
  cells.getContext('2d').putImageData(dark, 0, 0);
  [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
  // Of a picture that matched by a part, the map is that of the part.
  const [x, y, width, height] = found.box ? found.box.split(',').map(Number) : [0, 0, 1, 1];
  const place = [x * canvas.width, y * canvas.height, width * canvas.width, height * canvas.height];
  const drawn = canvas.getContext('2d');
  drawn.fillStyle = 'rgb(0 0 0 / .84)';
  drawn.fillRect(0, 0, canvas.width, canvas.height);
  drawn.clearRect(...place);
  drawn.drawImage(cells, ...place);
  canvas.dataset.drawn = 'true';
  button.click();
}
