() => {
  // A little later, once: gradio tells of one choice twice, and a tab that was clicked is not marked as open at once.
  window.refreshing ??= setTimeout(() => {
    window.refreshing = null;
    const open = document.querySelector('#tabs button[role=tab][aria-selected=true]')?.textContent ?? 'Image search';
    document.getElementById('refresh-' + open.trim().toLowerCase().replace(/\W+/g, '-'))?.click();
  }, 25);
}
