// Wheel, pointers and keys on the stage, told as: pan(dx, dy), zoomAt(left, top, factor), hover, select.

function listen(stage, told) {
  const held = new Map(); // pointer -> where it is
  let travelled = 0, apart = 0;
  const spot = event => { const box = stage.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const between = ([[ax, ay], [bx, by]]) => ({ apart: Math.hypot(ax - bx, ay - by), x: (ax + bx) / 2, y: (ay + by) / 2 });

  stage.addEventListener("wheel", event => {
    if (!told.ready()) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 18 : 1;
    told.zoomAt(...spot(event), Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) / 400), false);
  }, { passive: false });

  stage.addEventListener("pointerdown", event => {
    if (!told.ready() || event.button > 0) return;
    stage.setPointerCapture(event.pointerId);
    held.set(event.pointerId, spot(event));
    if (held.size === 1) travelled = 0;
    if (held.size === 2) apart = between([...held.values()]).apart;
  });

  stage.addEventListener("pointermove", event => {
    if (!told.ready()) return;
    const [x, y] = spot(event), before = held.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") told.hover(told.under(x, y, 12));
      return;
    }
    held.set(event.pointerId, [x, y]);
    travelled += Math.hypot(x - before[0], y - before[1]);
    if (held.size === 1 && travelled > 4) { told.pan(x - before[0], y - before[1]); }
    if (held.size === 2) {
      const now = between([...held.values()]);
      told.zoomAt(now.x, now.y, now.apart / (apart || now.apart), false);
      apart = now.apart;
      travelled = 99;
    }
  });

  const release = event => {
    const start = held.get(event.pointerId);
    held.delete(event.pointerId);
    if (!start || event.type === "pointercancel" || travelled > 4 || held.size) return;
    const slot = told.under(...start, event.pointerType === "mouse" ? 12 : 24);
    if (event.pointerType === "mouse") told.select(slot);
    else told.hover(slot, true); // a finger sees the picture first; the card has a button
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", event => { if (event.pointerType === "mouse" && !held.size) told.hover(-1); });

  const moves = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const named = { "+": "in", "=": "in", "-": "out", "_": "out", "0": "all", q: "query", Q: "query" };
  stage.addEventListener("keydown", event => {
    if (!told.ready() || event.ctrlKey || event.metaKey || event.altKey) return;
    const [width, height] = told.size();
    if (moves[event.key]) {
      const [dx, dy] = moves[event.key], far = event.shiftKey ? 0.4 : 0.1;
      told.pan(dx * far * width, dy * far * height);
      told.hover(told.under(width / 2, height / 2, 60), true); // what lies in the middle is what Enter searches with
    } else if (named[event.key]) told.go(named[event.key]);
    else if (event.key === "Enter") told.select(told.under(width / 2, height / 2, 60));
    else if (event.key === "Escape") told.hover(-1);
    else return;
    event.preventDefault();
  });
}
