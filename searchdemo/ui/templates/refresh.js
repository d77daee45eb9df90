() => {
  if (!window.linkRead) return; // see opened.js
  // A little later, once: gradio tells of one choice twice, and a tab that was clicked is not marked as open at once.
  window.refreshing ??= setTimeout(() => {
    window.refreshing = null;
    const open = document.querySelector('#tabs button[role=tab][aria-selected=true]')?.textContent ?? 'Image search';
    const tab = open.trim().toLowerCase().replace(/\W+/g, '-'), renewed = window.renewed ??= new Map();
    const renewals = window.renewals ?? 0;
    if (renewed.get(tab) !== renewals) document.getElementById('renew-' + tab)?.click();
    renewed.set(tab, renewals);
    document.getElementById('refresh-' + tab)?.click();
  }, 25);
}
