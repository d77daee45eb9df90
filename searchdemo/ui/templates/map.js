// The map of the tab Map, as gradio runs it: `element`, `props`, `server`, `trigger` and `watch` are gradio's.
{% include "map_raster.js" %}
{% include "map_marks.js" %}
{% include "map_touch.js" %}

const root = element.querySelector(".map"), find = selector => root.querySelector(selector);
const stage = find(".map-stage"), canvas = find("canvas"), pen = canvas.getContext("2d", { alpha: false });
const range = find("input[type=range]"), card = find(".map-card");
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const pictures = new Map(), FULL = 0.92; // of the board that the whole map fills

let value = {}, coming = {}, points = null, index = null, places = [], cells = null, lit = null;
let colours = {}, kindColours = null, greys = null;
let width = 0, height = 0, ratio = 1, density = 1, image = null, view = { x: SIDE / 2, y: SIDE / 2, scale: 0.01 }, smallest = 0.01;
let goal = { ...view }; // where the map will be when it has come to rest: what follows starts from there
let hovered = -1, effort = 0, hand = 0, telling = 0, playing = 0, frames = 0, dirty = false, movedAt = 0, settle = 0;

const say = facts => Object.entries(facts).forEach(([name, fact]) => { root.dataset[name] = fact; });
const grouped = number => number.toLocaleString("en");
const bytes = text => Uint8Array.from(atob(text), char => char.charCodeAt(0)).buffer;
const query = () => (points && value.overlay && value.overlay.key === points.key ? value.overlay : null);
const nprobe = () => (query()?.visits ? query().efforts[effort] : 0);
const sidebar = () => document.querySelector("#nprobe input[type=range]");

// What is shown: points once for each set of vectors, cells once for each index, then only small updates

async function take(next) {
  value = next || {};
  note(value.note || "");
  if (!value.key || !width) return draw(); // the tab is closed: it opens with what was asked last
  if (coming.key !== value.key) coming = { key: value.key, done: fetchPoints(value.key) };
  await coming.done;
  if (points?.key !== value.key) return;
  const visited = query()?.visits ? `${value.key} ${value.index}` : "";
  if (visited && cells?.key !== visited) await fetchCells(visited);
  showQuery();
}

function note(sentence) {
  find(".map-note").textContent = sentence;
  find(".map-note").hidden = !sentence;
  root.classList.toggle("empty", !!sentence);
  find(".map-zoom").hidden = !!sentence;
  find(".map-keys").hidden = !!sentence;
  if (sentence) { points = null; coming = {}; find(".map-made").textContent = ""; say({ points: 0 }); for (const part of [card, find(".map-effort"), find(".map-legend")]) part.hidden = true; }
}

async function fetchPoints(asked) {
  root.classList.add("busy");
  const got = await server.points([value.gallery, value.encoder]).catch(() => ({ note: "The map could not be fetched: reload the page." }));
  root.classList.remove("busy");
  if (asked !== value.key) return;
  if (got.note) { coming = {}; return note(got.note); }
  const pairs = new Uint16Array(bytes(got.positions)), labels = new Int16Array(bytes(got.labels)), count = labels.length;
  points = { key: got.key, count, xs: new Float32Array(count), ys: new Float32Array(count), kinds: new Uint16Array(count) };
  // In a shuffled order, so that the last class does not lie over all others; 7919 is a prime.
  points.order = new Int32Array(count);
  let step = 7919 % count || 1;
  while (divisor(step, count) > 1) step++;
  for (let i = 0; i < count; i++) points.order[i] = (i * step) % count;
  points.slot = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const from = points.order[i];
    points.slot[from] = i;
    points.xs[i] = pairs[2 * from];
    points.ys[i] = SIDE - pairs[2 * from + 1];
    points.kinds[i] = labels[from] < 0 ? got.names.length : labels[from];
  }
  points.names = got.names;
  points.rows = got.rows && new Int32Array(bytes(got.rows));
  index = buckets(points);
  places = namePlaces(points, got.names);
  cells = null;
  hovered = -1;
  card.hidden = true;
  paintColours();
  find(".map-made").textContent = got.made;
  stage.setAttribute("aria-label", `Map of ${grouped(count)} pictures`);
  say({ points: count, classes: got.names.length });
  fit();
  DO.all(false);
  const [x, y, zoom] = (value.view || "").split(",").map(Number); // of a link
  if (zoom > 0) show(x * SIDE, y * SIDE, smallest * zoom, false);
}

const divisor = (a, b) => (b ? divisor(b, a % b) : a);

async function fetchCells(key) {
  const got = await server.cells([value.gallery, value.encoder, value.index]).catch(() => null);
  if (!got?.cells || key !== `${value.key} ${value.index}`) return;
  const byPosition = new Uint16Array(bytes(got.cells));
  cells = { key, of: Uint16Array.from(points.order, position => byPosition[position]) };
}

function showQuery() {
  clearInterval(playing); // of the walk before
  const asked = query(), steps = asked?.walk ? asked.walk.descent.length + asked.walk.expanded.length - 2 : 0;
  if (asked?.visits) {
    const now = hand || +(sidebar()?.value ?? asked.nprobe); // not the answer's own, which may be older
    range.max = asked.efforts.length - 1;
    effort = asked.efforts.findLastIndex(one => one <= now);
  }
  if (asked?.walk) [range.max, effort] = [steps, steps];
  range.value = effort;
  say({ at: asked ? asked.at.join(" ") : "" });
  find(".map-effort").hidden = !(asked?.visits || asked?.walk);
  find(".map-effort label span").textContent = asked?.walk ? "step" : "nprobe";
  find("[data-do=replay]").hidden = !asked?.walk;
  find("[data-do=query]").hidden = !asked;
  find(".map-legend").hidden = !asked;
  light();
}

// For inverted files: which points lie in visited cells. It happens in the browser while the slider is dragged.
function light() {
  const asked = query();
  lit = null;
  if (asked?.visits && cells) {
    lit = new Uint8Array(points.count);
    let inside = 0;
    for (let i = 0; i < points.count; i++) inside += lit[i] = asked.visits[cells.of[i]] <= nprobe() ? 1 : 0;
    say({ nprobe: nprobe(), visited: inside });
    range.setAttribute("aria-valuetext", `nprobe ${nprobe()}`);
  }
  if (asked?.walk) {
    const { descent, expanded, scored } = asked.walk, above = effort < descent.length - 1;
    lit = new Uint8Array(points.count);
    for (const position of [...descent.slice(0, effort + 1), ...expanded.slice(0, Math.max(0, effort + 2 - descent.length))]) lit[points.slot[position]] = 1;
    say({ step: effort });
    range.setAttribute("aria-valuetext", `step ${effort} of ${range.max}`);
    find(".map-effort output").textContent = `${effort} of ${range.max}, ${above ? "going down through the upper layers" : "expanding candidates in layer 0"}; the whole walk compares ${grouped(scored)} of ${grouped(points.count)} vectors`;
  }
  const kinds = marks().map(mark => mark.kind), count = kind => kinds.filter(one => one === kind).length;
  say({ found: count("found"), missed: count("missed"), instead: count("instead") });
  if (lit && asked.visits) find(".map-effort output").textContent = `${grouped(nprobe())} of ${grouped(asked.visits.length)} cells: ${grouped(+root.dataset.visited)} of ${grouped(points.count)} vectors are compared, and ${count("found")} of the ${count("found") + count("missed")} nearest found`;
  const there = { query: asked, found: count("found"), missed: count("missed"), instead: count("instead"), visited: lit && asked.visits, walk: asked?.walk };
  for (const item of root.querySelectorAll(".map-legend li")) item.hidden = !there[item.dataset.mark];
  if (hovered >= 0) tellOf(hovered);
  draw();
}

// The neighbours of the query. A cell that the slider adds brings what lies in it, unless the index rounds it away.
function marks() {
  const asked = query();
  if (!asked) return [];
  if (!asked.visits) return asked.neighbours;
  const moved = nprobe() !== asked.nprobe;
  return asked.neighbours.filter(one => !(moved && one.kind === "instead")).map(one =>
    one.kind === "instead" || one.rounded ? one : { ...one, kind: one.rank <= nprobe() ? "found" : "missed" });
}

const at = position => [points.xs[points.slot[position]], points.ys[points.slot[position]]];
const queryAt = asked => [asked.at[0] * SIDE, SIDE - asked.at[1] * SIDE];

// Drawing: at most once in a frame, and with single pixels per point while the map moves on a dense screen

function draw() {
  if (dirty) return;
  dirty = true;
  requestAnimationFrame(() => { dirty = false; if (points && width) drawNow(); });
}

function drawNow() {
  const moving = performance.now() - movedAt < 150, closer = view.scale / smallest;
  density = moving ? 1 : ratio;
  const w = Math.round(width * density), h = Math.round(height * density);
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; image = null; }
  image ??= pen.createImageData(w, h);
  const pixels = new Uint32Array(image.data.buffer), seen = { ...view, scale: view.scale * density };
  pixels.fill(packed(colours.rgb));
  const room = 0.3 * Math.sqrt((width * height) / points.count), radius = Math.min(5, Math.max(0.75, room * closer ** 0.5)) * density;
  const solid = Math.min(0.9, 0.65 + 0.06 * Math.log2(closer + 1)); // where points lie upon each other, the dense places show
  if (lit) paint(pixels, w, h, seen, points, greys, disc(radius, 0.55), lit, 0);
  paint(pixels, w, h, seen, points, kindColours, lit ? disc(Math.max(radius, Math.min(1.7 * radius, 2 * density)), 0.95) : disc(radius, solid), lit, 1);
  drawMarks();
  say({ frames: ++frames, zoom: closer.toFixed(2), scale: (view.scale * SIDE).toFixed(1), x: (view.x / SIDE).toFixed(4), y: (view.y / SIDE).toFixed(4) });
  if (moving && ratio > 1) { clearTimeout(settle); settle = setTimeout(draw, 170); }
}

// Over the points as they were painted last, so that a pointer that moves over them paints none again.
function drawMarks() {
  if (!image) return;
  const spot = here => place(view, width, height, here), asked = query(), closer = view.scale / smallest;
  pen.putImageData(image, 0, 0);
  pen.setTransform(density, 0, 0, density, 0, 0);
  const near = new Set(marks().map(mark => points.kinds[points.slot[mark.position]]));
  const first = asked ? places.filter(one => near.has(one.kind)) : [];
  const named = asked && closer < 2 ? first : [...first, ...places.filter(one => !first.includes(one))];
  say({ names: drawNames(pen, width, height, view, named, colours, Math.min(60, 30 * closer)) });
  if (asked) {
    const shown = marks().map(mark => ({ ...mark, at: at(mark.position) }));
    if (asked.walk) drawWalk(pen, { descent: asked.walk.descent.map(at), expanded: asked.walk.expanded.map(at) }, effort, spot, colours);
    else drawTies(pen, spot(queryAt(asked)), shown, spot, colours);
    for (const mark of shown) SHAPES[mark.kind](pen, ...spot(mark.at), colours);
    SHAPES.query(pen, ...spot(queryAt(asked)), colours);
  }
  if (hovered >= 0) {
    const [x, y] = spot([points.xs[hovered], points.ys[hovered]]);
    outlined(pen, colours, colours.text, 2, () => pen.arc(x, y, 9, 0, 7));
  }
}

function paintColours() {
  const dark = !!root.closest(".dark"), style = getComputedStyle(root);
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = name => {
    probe.fillStyle = style.getPropertyValue(name);
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const css = name => `rgb(${rgb(name)})`;
  colours = { rgb: rgb("--map-ground"), ground: css("--map-ground"), text: css("--body-text-color") };
  for (const kind of ["query", "found", "instead", "missed", "walk"]) colours[kind] = css(`--map-${kind}`);
  if (points) {
    kindColours = palette(points.names.length, dark);
    greys = new Uint32Array(kindColours.length).fill(packed(rgb("--map-dim")));
  }
  draw();
}

// Moving

function fit() {
  const [low, high] = [0, 1].map(end => [points.xs, points.ys].map(all => all.reduce((a, b) => (end ? Math.max(a, b) : Math.min(a, b)))));
  points.middle = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2];
  smallest = FULL * Math.min(width / Math.max(high[0] - low[0], 1), height / Math.max(high[1] - low[1], 1), Math.max(width, height) / SIDE);
}

function show(x, y, scale, glide = !still) {
  goal = { scale: Math.min(smallest * 400, Math.max(smallest * 0.8, scale)), x: Math.min(SIDE, Math.max(0, x)), y: Math.min(SIDE, Math.max(0, y)) };
  const from = { ...view }, to = goal, began = performance.now();
  hover(-1);
  const step = () => {
    if (to !== goal) return; // another move has taken over
    const part = glide ? Math.min(1, (performance.now() - began) / 220) : 1, eased = 1 - (1 - part) ** 3;
    for (const name of ["x", "y"]) view[name] = from[name] + (to[name] - from[name]) * eased;
    view.scale = from.scale * (to.scale / from.scale) ** eased;
    movedAt = performance.now();
    draw();
    if (part < 1) requestAnimationFrame(step);
  };
  step();
}

function zoomAt(left, top, factor, glide) {
  const scale = Math.min(smallest * 400, Math.max(smallest * 0.8, goal.scale * factor));
  const [dx, dy] = [left - width / 2, top - height / 2];
  show(goal.x + dx / goal.scale - dx / scale, goal.y + dy / goal.scale - dy / scale, scale, glide);
}

function showAround() {
  const asked = query(), spots = [queryAt(asked), ...marks().map(mark => at(mark.position))];
  const [xs, ys] = [0, 1].map(axis => spots.map(spot => spot[axis]));
  const span = Math.max((Math.max(...xs) - Math.min(...xs)) / width, (Math.max(...ys) - Math.min(...ys)) / height);
  const middle = all => (Math.max(...all) + Math.min(...all)) / 2;
  show(middle(xs), middle(ys), Math.min(smallest * 12, 0.7 / Math.max(span, 1e-6)));
}

// The card of a point: its picture comes from the server, once the pointer rests

let asking = 0;
function hover(slot, pinned = false) {
  if (slot === hovered && card.classList.contains("pinned") === pinned) return;
  hovered = slot;
  clearTimeout(asking);
  card.hidden = slot < 0;
  card.classList.toggle("pinned", pinned);
  say({ hover: slot < 0 ? "" : points.order[slot], class: slot < 0 ? "" : points.names[points.kinds[slot]] ?? "" });
  if (slot >= 0) {
    const row = rowOf(points.order[slot]), kind = points.names[points.kinds[slot]];
    const [x, y] = place(view, width, height, [points.xs[slot], points.ys[slot]]);
    card.querySelector("b").textContent = row < 0 ? "a picture that is no more" : kind ?? `row ${grouped(row)}`;
    card.querySelector("i").textContent = "";
    card.classList.toggle("below", y < height / 2);
    card.style.left = `${Math.min(Math.max(x, 104), width - 104)}px`;
    card.style.top = `${y}px`;
    tellOf(slot);
    showPicture(row);
  }
  drawMarks();
}

// Its row, and what the query has to do with it: again at each answer, and while the slider moves.
function tellOf(slot) {
  const position = points.order[slot], row = rowOf(position);
  const mark = marks().find(one => one.position === position), facts = row < 0 ? [] : [`row ${grouped(row)}`];
  if (mark) facts.push(`${mark.kind === "missed" ? "missed" : "found"}, cosine ${mark.score.toFixed(3)}`);
  if (cells && query()?.visits) facts.push(`its cell is visited at nprobe ${grouped(query().visits[cells.of[slot]])}`);
  card.querySelector("span").textContent = facts.join(" · ");
}

function showPicture(row) {
  const picture = card.querySelector("img"), name = `${value.gallery} ${row}`, known = pictures.get(name);
  picture.hidden = !known;
  if (row < 0) return;
  if (known) {
    picture.src = known.url;
    picture.alt = known.alt;
    card.querySelector("i").textContent = known.here ? "" : "its picture is not on this machine: this stands in for it";
    return;
  }
  asking = setTimeout(async () => {
    const got = await server.picture([value.gallery, row]).catch(() => null);
    if (!got?.url) return;
    if (pictures.size > 500) pictures.clear();
    pictures.set(name, got);
    if (hovered >= 0 && rowOf(points.order[hovered]) === row) showPicture(row);
  }, 90);
}

const rowOf = position => (points.rows ? points.rows[position] : position);

function select(slot) {
  if (slot < 0 || rowOf(points.order[slot]) < 0) return;
  element.closest(".block").dataset.clicked = JSON.stringify({ row: rowOf(points.order[slot]), gallery: value.gallery }); // see takeoff.js
  trigger("select");
}

const under = (left, top, reach) =>
  nearest(points, index, view.x + (left - width / 2) / view.scale, view.y + (top - height / 2) / view.scale, reach / view.scale);

// The slider is that of the sidebar, which is moved once this one rests: the search follows.
function tell(value) {
  hand = value;
  clearTimeout(telling);
  telling = setTimeout(() => {
    sidebar().value = hand;
    hand = 0;
    sidebar().dispatchEvent(new Event("input", { bubbles: true }));
  }, 250);
}

// Controls

function replay() {
  clearInterval(playing);
  [effort, range.value] = [0, 0];
  light();
  playing = setInterval(() => {
    effort = Math.min(+range.max, effort + 1);
    range.value = effort;
    light();
    if (effort >= +range.max) clearInterval(playing);
  }, Math.max(40, 4000 / +range.max));
}

const DO = {
  in: () => zoomAt(width / 2, height / 2, 1.6),
  out: () => zoomAt(width / 2, height / 2, 1 / 1.6),
  all: glide => show(...points.middle, smallest, glide),
  query: showAround,
  select: () => select(hovered),
  replay,
};
root.addEventListener("click", event => { const button = event.target.closest("[data-do]"); if (button && points) DO[button.dataset.do](!still); });
range.addEventListener("input", () => { clearInterval(playing); effort = +range.value; light(); if (query()?.visits) tell(nprobe()); });
listen(stage, { ready: () => !!points, pan: (dx, dy) => show(goal.x - dx / goal.scale, goal.y - dy / goal.scale, goal.scale, false), zoomAt, under, hover, select, size: () => [width, height], go: name => query() || name !== "query" ? DO[name](!still) : 0 });

new ResizeObserver(() => {
  const whole = Math.abs(view.scale / smallest - 1) < 0.01, opened = !width;
  [width, height, ratio] = [stage.clientWidth, stage.clientHeight, Math.min(2, devicePixelRatio || 1)];
  if (!width) return;
  if (opened) take(value);
  if (points) fit();
  if (points && whole) { view.scale = smallest; goal = { ...view }; }
  draw();
}).observe(stage);
new MutationObserver(paintColours).observe(document.body, { attributeFilter: ["class"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTimeout(paintColours, 100));
watch("value", () => take(props.value));
paintColours();
take(props.value);
