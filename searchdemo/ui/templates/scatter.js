// One layer over a scatter plot. Dots that cover each other are all reached: those within REACH of the pointer are listed,
// a click chooses the nearest, and another click at the same place the next of them. Arrow keys walk through all dots.
const REACH = 8, FAR = 28, LISTED = 4, SAME_PLACE = 4;  // pixels, pixels, names, pixels
let clicked = null;  // {x, y, here, turn}: the last click, and the dots that clicks at this place go through
let telling = 0;

const area = () => element.querySelector('.scatter .area');
const dots = () => [...element.querySelectorAll('.scatter .dot')];
const place = (dot) => [parseFloat(dot.style.left), parseFloat(dot.style.bottom)];  // in percent

// Dots within FAR of a point of the window, the nearest first: [{dot, far}, ...]
function near(x, y) {
  const box = area().getBoundingClientRect();
  const left = box.left + area().clientLeft, width = area().clientWidth, height = area().clientHeight;
  return dots().map((dot) => {
    const [right, up] = place(dot);
    return {dot, far: Math.hypot(left + width * right / 100 - x, box.top + height * (1 - up / 100) - y)};
  }).filter(({far}) => far <= FAR).sort((a, b) => a.far - b.far);
}

// The dot, and all that a click at this place may choose.
function pointed(x, y) {
  const found = near(x, y);
  const here = found.filter(({far}) => far <= REACH).map(({dot}) => dot);
  return {dot: found[0]?.dot, here: here.length ? here : found.slice(0, 1).map(({dot}) => dot)};
}

function atClicked(x, y) {
  const there = clicked?.here.every((dot) => dot.isConnected);  // the plot may have been drawn anew
  return there && Math.hypot(x - clicked.x, y - clicked.y) <= SAME_PLACE;
}

function line(tag, text, parent) {
  const made = parent.appendChild(document.createElement(tag));
  made.textContent = text;
  return made;
}

function show(dot, here) {
  const tip = area().querySelector('.tip');
  area().querySelector('.dot.active')?.classList.remove('active');
  tip.replaceChildren();
  tip.classList.toggle('shown', Boolean(dot));
  area().classList.toggle('pointing', Boolean(dot));
  if (!dot) return area().removeAttribute('aria-activedescendant');
  dot.classList.add('active');
  area().setAttribute('aria-activedescendant', dot.id);
  const label = dot.getAttribute('aria-label'), end = label.indexOf(': ');
  line('b', label.slice(0, end), tip);
  label.slice(end + 2).split('; ').forEach((fact) => line('span', fact, tip));
  const others = here.filter((one) => one !== dot);
  if (others.length) {
    line('i', `${here.length} settings lie here. Click or tap again for the next:`, tip);
    others.slice(0, LISTED).forEach((one) => line('small', one.getAttribute('aria-label').split(': ')[0], tip));
    if (others.length > LISTED) line('small', `and ${others.length - LISTED} more`, tip);
  }
  const [x, y] = place(dot);  // further right, it moves to the left, and so stays in the plot
  tip.style.left = `${x}%`;
  tip.style.transform = `translateX(-${Math.round(x)}%)`;
  tip.style.bottom = y < 55 ? `calc(${y}% + 14px)` : 'auto';
  tip.style.top = y < 55 ? 'auto' : `calc(${100 - y}% + 14px)`;
}

function choose(dot) {
  for (const one of element.querySelectorAll('.dot[aria-selected=true]')) one.setAttribute('aria-selected', 'false');
  dot.setAttribute('aria-selected', 'true');
  element.closest('.block').dataset.dot = dot.id.slice('dot-'.length);
  clearTimeout(telling);  // of quick clicks, the last counts
  telling = setTimeout(() => trigger('select'), 120);
}

element.addEventListener('pointermove', (event) => {
  if (!area()?.contains(event.target)) return area() && show(null, []);
  if (atClicked(event.clientX, event.clientY)) return show(clicked.here[clicked.turn], clicked.here);
  const {dot, here} = pointed(event.clientX, event.clientY);
  show(dot, here);
});
element.addEventListener('pointerleave', () => area() && show(null, []));
element.addEventListener('click', (event) => {
  if (!area()?.contains(event.target)) return;
  const [x, y] = [event.clientX, event.clientY];
  clicked = atClicked(x, y) ? {...clicked, turn: (clicked.turn + 1) % clicked.here.length} : {x, y, here: pointed(x, y).here, turn: 0};
  if (!clicked.here.length) return clicked = null;
  show(clicked.here[clicked.turn], clicked.here);
  choose(clicked.here[clicked.turn]);
});

function walk(by, step) {
  const order = dots().sort((a, b) => by(a) - by(b));
  const at = order.findIndex((dot) => dot.classList.contains('active'));
  return order[Math.min(Math.max(at + step, 0), order.length - 1)];
}
const byCost = (dot) => place(dot)[0], byGain = (dot) => place(dot)[1];
const MOVES = {
  ArrowRight: () => walk(byCost, 1), ArrowLeft: () => walk(byCost, -1),
  ArrowUp: () => walk(byGain, 1), ArrowDown: () => walk(byGain, -1),
  Home: () => walk(byCost, -Infinity), End: () => walk(byCost, Infinity),
};
element.addEventListener('keydown', (event) => {
  if (event.target !== area()) return;
  const active = area().querySelector('.dot.active');
  if (MOVES[event.key]) show(active || event.key === 'Home' || event.key === 'End' ? MOVES[event.key]() : first(), []);
  else if (active && (event.key === 'Enter' || event.key === ' ')) choose(active);
  else if (event.key === 'Escape') show(null, []);
  else return;
  event.preventDefault();
});
const first = () => element.querySelector('.dot[aria-selected=true]') ?? dots()[0];
element.addEventListener('focusin', (event) => {
  if (event.target === area() && area().matches(':focus-visible')) show(first(), []);
});
element.addEventListener('focusout', () => area() && show(null, []));
