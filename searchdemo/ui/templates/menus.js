() => {
  // Menus close when the focus moves on. gradio leaves the list of a drop-down field open at Tab, filtered by its value.
  const listOf = (field) => field instanceof Element && field.matches('input[role=combobox][aria-expanded=true]');
  const close = (field) => field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}));
  document.addEventListener('focusout', ({target}) => setTimeout(() => {
    if (listOf(target) && document.activeElement !== target) close(target);
  }, 50));

  const narrow = matchMedia('(max-width: 768px)'); // where the sidebar lies over the page
  const sidebar = () => narrow.matches && document.querySelector('#sidebar.open');
  const fold = () => document.querySelector('#sidebar.open .toggle-button')?.click();
  const left = ({target}) => {
    const there = target instanceof Element && target !== document.body;
    if (there && sidebar() && !target.closest('#sidebar')) fold();
  };
  document.addEventListener('pointerdown', left);
  document.addEventListener('focusin', left);
  document.addEventListener('keydown', ({key, target, isTrusted}) => {
    if (key !== 'Escape' || !isTrusted || listOf(target) || !sidebar()) return;
    fold();
    document.querySelector('#sidebar .toggle-button').focus();
  }, true); // before gradio closes a list, which Escape is for then
  if (innerWidth < 1024) fold(); // it would take half of the page, or lie over it
}
