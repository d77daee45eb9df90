// A part of the query picture: a box drawn over it, as shares of its width and height. props.value is "x,y,width,height".
const find = (selector) => element.querySelector(selector);
const tools = find('.box-tools'), stage = find('.box-stage'), box = find('.box'), keys = find('.box-keys');
const LEAST = 0.02, STEP = 0.02, START = 5; // shares; pixels that a pointer moves before it draws
let holder = null, part = null, drag = null;

const within = (value, low, high) => Math.min(Math.max(value, low), high);
const rounded = (value) => Number(value.toFixed(4));
const percent = (value) => `${Math.round(100 * value)} %`;

function show() {
  const img = holder?.querySelector('img'), there = img?.naturalWidth && !img.src.startsWith('data:image/svg'); // a stand-in
  tools.hidden = stage.hidden = !there;
  if (!there) return;
  const outer = holder.getBoundingClientRect(), seen = img.getBoundingClientRect();
  const scale = Math.min(seen.width / img.naturalWidth, seen.height / img.naturalHeight); // object-fit: contain
  const width = img.naturalWidth * scale, height = img.naturalHeight * scale;
  Object.assign(stage.style, {
    left: `${seen.left - outer.left - holder.clientLeft + (seen.width - width) / 2}px`,
    top: `${seen.top - outer.top - holder.clientTop + (seen.height - height) / 2}px`,
    width: `${width}px`, height: `${height}px`,
  });
  box.hidden = keys.hidden = find('[data-do=clear]').hidden = !part;
  find('[data-do=select]').hidden = !!part;
  stage.classList.toggle('drawn', !!part);
  find('output').textContent = part ? `${percent(part.width)} × ${percent(part.height)}` : '';
  if (part) ['left', 'top', 'width', 'height'].forEach((side, i) => { box.style[side] = `${100 * [part.x, part.y, part.width, part.height][i]}%`; });
}
function set(next) {
  if (next) {
    const width = rounded(within(next.width, LEAST, 1)), height = rounded(within(next.height, LEAST, 1));
    next = {x: rounded(within(next.x, 0, 1 - width)), y: rounded(within(next.y, 0, 1 - height)), width, height};
  }
  part = next;
  show();
  const text = part ? [part.x, part.y, part.width, part.height].join() : '';
  if (text === props.value) return;
  props.value = text;
  trigger('input');
}
function take() { // what the server says: a link's box, or none of another picture
  const [x, y, width, height] = (props.value || '').split(',').map(Number);
  part = height ? {x, y, width, height} : null;
  show();
}
const between = (a, b) => ({x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), width: Math.abs(a.x - b.x), height: Math.abs(a.y - b.y)});
function place({clientX, clientY}) {
  const {left, top, width, height} = stage.getBoundingClientRect();
  return {x: within((clientX - left) / width, 0, 1), y: within((clientY - top) / height, 0, 1)};
}

stage.addEventListener('pointerdown', (event) => {
  if (event.button || (event.pointerType === 'touch' && !part)) return; // a finger that scrolls the page draws nothing
  const at = place(event), how = event.target.matches('.box i') ? 'size' : event.target === box ? 'move' : 'draw';
  drag = {at, how, from: part, x: event.clientX, y: event.clientY};
  stage.setPointerCapture(event.pointerId);
  event.preventDefault();
});
stage.addEventListener('pointermove', (event) => {
  if (!drag || (!drag.moved && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < START)) return;
  drag.moved = true;
  const at = place(event), {from} = drag;
  if (drag.how === 'move') set({...from, x: from.x + at.x - drag.at.x, y: from.y + at.y - drag.at.y});
  else set(between(drag.how === 'size' ? from : drag.at, at));
});
for (const end of ['pointerup', 'pointercancel']) {
  stage.addEventListener(end, () => {
    if (drag && part) box.focus(); // the arrow keys go on
    drag = null;
  });
}

box.addEventListener('keydown', (event) => {
  const [dx, dy] = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key] ?? [0, 0];
  const gone = ['Delete', 'Backspace'].includes(event.key);
  if (!dx && !dy && !gone) return;
  event.preventDefault();
  if (gone) clear();
  else if (event.shiftKey) set({...part, width: within(part.width + dx * STEP, LEAST, 1 - part.x), height: within(part.height + dy * STEP, LEAST, 1 - part.y)});
  else set({...part, x: part.x + dx * STEP, y: part.y + dy * STEP});
});
function clear() {
  set(null);
  find('[data-do=select]').focus();
}
find('[data-do=select]').addEventListener('click', () => {
  set({x: 0.25, y: 0.25, width: 0.5, height: 0.5});
  box.focus();
});
find('[data-do=clear]').addEventListener('click', clear);

function attach() {
  holder = document.getElementById('query-picture');
  if (!holder) return setTimeout(attach, 100); // its code is still on the way
  holder.append(stage); // it lies over the picture, wherever the page puts that
  holder.addEventListener('load', show, true);
  new ResizeObserver(show).observe(holder);
  new MutationObserver(show).observe(holder, {childList: true, subtree: true}); // the picture goes
  take();
}
watch('value', take);
attach();
