// Points into pixels, in typed arrays: 100,000 of them in some milliseconds, without a graphics card.

const SIDE = 65535; // the far side of the map, as it is stored

function oklch(lightness, chroma, degrees) {
  const a = chroma * Math.cos((degrees * Math.PI) / 180), b = chroma * Math.sin((degrees * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map(v => Math.round(255 * Math.min(1, Math.max(0, v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055))));
}

const packed = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0; // as a little-endian ImageData has it

// One colour per class, the last for points of no class. Hues turn by the golden angle, so that no two in a row are alike.
function palette(classes, dark) {
  const levels = dark ? [0.7, 0.8, 0.62] : [0.58, 0.68, 0.5];
  const colours = new Uint32Array(classes + 1);
  for (let i = 0; i < classes; i++) colours[i] = packed(oklch(levels[i % 3], 0.14, 40 + i * 137.508));
  colours[classes] = packed(oklch(dark ? 0.7 : 0.58, classes ? 0 : 0.12, 275));
  return colours;
}

// A disc as [dx, dy, opacity of 256] of each pixel that it covers, its rim softened. Hardly covered ones are left out: a fifth of the time.
function disc(radius, opacity) {
  const half = Math.ceil(radius), pixels = [];
  for (let dy = -half; dy <= half; dy++)
    for (let dx = -half; dx <= half; dx++) {
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(dx, dy)));
      if (cover * opacity > 0.15) pixels.push([dx, dy, Math.round(256 * cover * opacity)]);
    }
  return { half, pixels };
}

// view: {x, y, scale}: the stored position in the middle, and pixels per unit. Draws points whose `lit` is `wanted`, or all.
function paint(pixels, width, height, view, points, colourOf, shape, lit, wanted) {
  const { half, pixels: covered } = shape, count = covered.length, { xs, ys, kinds, count: n } = points;
  const offsets = new Int32Array(count), opacities = new Int32Array(count);
  covered.forEach(([dx, dy, opacity], j) => { offsets[j] = dy * width + dx; opacities[j] = opacity; });
  const scale = view.scale, left = width / 2 - view.x * scale + 0.5, top = height / 2 - view.y * scale + 0.5;
  const right = width - half, bottom = height - half;
  for (let i = 0; i < n; i++) {
    if (lit !== null && lit[i] !== wanted) continue;
    const x = (left + xs[i] * scale) | 0, y = (top + ys[i] * scale) | 0;
    if (x < half || y < half || x >= right || y >= bottom) continue;
    const colour = colourOf[kinds[i]] | 0, redBlue = colour & 0xff00ff, green = (colour >> 8) & 0xff, at = y * width + x;
    for (let j = 0; j < count; j++) {
      const over = at + offsets[j], opacity = opacities[j], below = pixels[over] | 0, rest = 256 - opacity;
      const rb = ((Math.imul(below & 0xff00ff, rest) + Math.imul(redBlue, opacity)) | 0) >>> 8;
      const g = Math.imul((below >> 8) & 0xff, rest) + Math.imul(green, opacity);
      pixels[over] = 0xff000000 | (rb & 0xff00ff) | (g & 0xff00);
    }
  }
}

// Which points lie near a place: buckets of the map, each a range of `members`.
function buckets(points, side = 256) {
  const starts = new Int32Array(side * side + 1), members = new Int32Array(points.count);
  const bucket = i => Math.min(side - 1, (points.ys[i] * side / (SIDE + 1)) | 0) * side + ((points.xs[i] * side / (SIDE + 1)) | 0);
  for (let i = 0; i < points.count; i++) starts[bucket(i) + 1]++;
  for (let b = 0; b < side * side; b++) starts[b + 1] += starts[b];
  const next = starts.slice();
  for (let i = 0; i < points.count; i++) members[next[bucket(i)]++] = i;
  return { side, starts, members };
}

// The nearest point to a stored position, at most `reach` away; -1 where there is none.
function nearest(points, index, x, y, reach) {
  const step = (SIDE + 1) / index.side, clamp = v => Math.min(index.side - 1, Math.max(0, Math.floor(v / step)));
  let best = -1, least = reach * reach;
  for (let row = clamp(y - reach); row <= clamp(y + reach); row++)
    for (let slot = index.starts[row * index.side + clamp(x - reach)]; slot < index.starts[row * index.side + clamp(x + reach) + 1]; slot++) {
      const i = index.members[slot], apart = (points.xs[i] - x) ** 2 + (points.ys[i] - y) ** 2;
      if (apart <= least) { least = apart; best = i; }
    }
  return best;
}

// Where the name of each class stands: in the middle of its densest part. Large classes come first.
function namePlaces(points, names, side = 32) {
  const cells = side * side, counts = new Uint16Array(names.length * cells), sizes = new Int32Array(names.length);
  const at = i => ((points.ys[i] * side / (SIDE + 1)) | 0) * side + ((points.xs[i] * side / (SIDE + 1)) | 0);
  for (let i = 0; i < points.count; i++) if (points.kinds[i] < names.length) { counts[points.kinds[i] * cells + at(i)]++; sizes[points.kinds[i]]++; }
  const best = names.map((_, kind) => {
    let densest = 0;
    for (let cell = 1; cell < cells; cell++) if (counts[kind * cells + cell] > counts[kind * cells + densest]) densest = cell;
    return densest;
  });
  const sums = names.map(() => [0, 0, 0]);
  for (let i = 0; i < points.count; i++) {
    const kind = points.kinds[i];
    if (kind < names.length && at(i) === best[kind]) { sums[kind][0] += points.xs[i]; sums[kind][1] += points.ys[i]; sums[kind][2]++; }
  }
  return names.map((name, kind) => ({ name, kind, size: sizes[kind], x: sums[kind][0] / sums[kind][2], y: sums[kind][1] / sums[kind][2] }))
    .filter(place => place.size).sort((a, b) => b.size - a.size);
}
