// What lies over the points: names, the query, its neighbours, the walk. Every kind has a shape of its own.

function place(view, width, height, [x, y]) {
  return [width / 2 + (x - view.x) * view.scale, height / 2 + (y - view.y) * view.scale];
}

function outlined(pen, colours, colour, width, draw) {
  for (const [style, extra] of [[colours.ground, 3], [colour, 0]]) {
    pen.beginPath();
    draw();
    pen.strokeStyle = style;
    pen.lineWidth = width + extra;
    pen.stroke();
  }
}

const SHAPES = {
  query(pen, x, y, colours) {
    outlined(pen, colours, colours.query, 2.5, () => {
      pen.moveTo(x + 9, y);
      pen.arc(x, y, 9, 0, 7);
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { pen.moveTo(x + 4 * dx, y + 4 * dy); pen.lineTo(x + 15 * dx, y + 15 * dy); }
    });
  },
  found(pen, x, y, colours) {
    for (const [radius, colour] of [[8, colours.query], [6.8, colours.ground], [4.8, colours.found]]) {
      pen.beginPath();
      pen.arc(x, y, radius, 0, 7);
      pen.fillStyle = colour;
      pen.fill();
    }
  },
  instead(pen, x, y, colours) {
    outlined(pen, colours, colours.instead, 2.5, () => {
      pen.moveTo(x, y - 7); pen.lineTo(x + 7, y); pen.lineTo(x, y + 7); pen.lineTo(x - 7, y); pen.closePath();
    });
  },
  missed(pen, x, y, colours) {
    outlined(pen, colours, colours.missed, 3, () => {
      pen.moveTo(x - 5, y - 5); pen.lineTo(x + 5, y + 5); pen.moveTo(x - 5, y + 5); pen.lineTo(x + 5, y - 5);
    });
  },
};

function drawNames(pen, width, height, view, places, colours, most) {
  const taken = [];
  pen.font = "600 12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  for (const one of places) {
    const [x, y] = place(view, width, height, [one.x, one.y]);
    const half = pen.measureText(one.name).width / 2 + 6;
    if (x < half || y < 10 || x > width - half || y > height - 10) continue;
    if (taken.some(other => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 18)) continue;
    taken.push({ x, y, half });
    pen.strokeStyle = colours.ground;
    pen.lineWidth = 4;
    pen.globalAlpha = 0.85;
    pen.strokeText(one.name, x, y);
    pen.globalAlpha = 1;
    pen.fillStyle = colours.text;
    pen.fillText(one.name, x, y);
    if (taken.length >= most) break;
  }
  return taken.length;
}

// Lines from the query to its neighbours: dashed to those that were missed.
function drawTies(pen, start, marks, spot, colours) {
  for (const mark of marks) {
    if (mark.kind === "instead") continue;
    pen.beginPath();
    pen.setLineDash(mark.kind === "missed" ? [4, 4] : []);
    pen.moveTo(...start);
    pen.lineTo(...spot(mark.at));
    pen.strokeStyle = colours[mark.kind];
    pen.globalAlpha = 0.55;
    pen.lineWidth = 1.2;
    pen.stroke();
  }
  pen.globalAlpha = 1;
  pen.setLineDash([]);
}

// The first `steps` of a walk: broad and dashed through the upper layers, then a line that fades to its beginning.
function drawWalk(pen, walk, steps, spot, colours) {
  const down = walk.descent.slice(0, steps + 1).map(spot), low = walk.expanded.slice(0, Math.max(0, steps + 2 - walk.descent.length)).map(spot);
  if (down.length > 1) {
    pen.setLineDash([7, 4]);
    outlined(pen, colours, colours.walk, 2.5, () => down.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y))));
    pen.setLineDash([]);
  }
  for (let i = 1; i < low.length; i++) {
    pen.beginPath();
    pen.moveTo(...low[i - 1]);
    pen.lineTo(...low[i]);
    pen.globalAlpha = 0.25 + 0.75 * (i / low.length) ** 2;
    pen.strokeStyle = colours.walk;
    pen.lineWidth = 1.6;
    pen.stroke();
  }
  pen.globalAlpha = 1;
  pen.fillStyle = colours.walk;
  for (const [x, y] of [...down, ...low]) { pen.beginPath(); pen.arc(x, y, 2.2, 0, 7); pen.fill(); }
  const [x, y] = [...down, ...low].at(-1);
  outlined(pen, colours, colours.walk, 2, () => { pen.moveTo(x + 8, y); pen.arc(x, y, 8, 0, 7); });
}
