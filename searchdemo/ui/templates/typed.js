() => {
  // When a tab is opened for the first time, gradio gives its fields their first values once more, one or more frames after
  // they are there: on a busy machine that takes away what was typed meanwhile. What a visitor put into a field in place of
  // its first value comes back, before the next key or click is heard.
  const FIELDS = '#tabs :is(textarea, input[type=text], input[type=number], input[type=range]):not([role], .map *)'; // the map sets its own slider
  const FRAMES = 120; // after the latest input, in which a field is looked at
  const first = new WeakMap(); // field -> its value before the visitor's first input
  const typed = new Map(); // field -> what the visitor put there, and the frames that are left
  const bringBack = () => {
    for (const [field, {value}] of typed) {
      if (field.value === value) continue;
      typed.delete(field);
      if (field.value !== first.get(field)) continue; // somebody else's: an example that was clicked, a link
      field.value = value;
      field.dispatchEvent(new Event('input', {bubbles: true}));
    }
  };
  const look = () => {
    bringBack();
    for (const [field, entry] of typed) if (--entry.frames < 0 || !field.isConnected) typed.delete(field);
    if (typed.size) requestAnimationFrame(look);
  };
  document.addEventListener('focusin', ({target}) => {
    if (target.matches(FIELDS) && !first.has(target)) first.set(target, target.value);
  });
  document.addEventListener('input', ({target}) => {
    if (!target.matches(FIELDS) || !first.has(target)) return;
    if (!typed.size) requestAnimationFrame(look);
    typed.set(target, {value: target.value, frames: FRAMES});
  }, true);
  for (const event of ['keydown', 'pointerdown', 'click']) document.addEventListener(event, bringBack, true);
}
