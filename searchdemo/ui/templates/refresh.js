() => requestAnimationFrame(() => { // until then a tab that was clicked is not marked as the open one
  const open = document.querySelector('#tabs button[role=tab][aria-selected=true]')?.textContent ?? 'Image search';
  document.getElementById('refresh-' + open.trim().toLowerCase().replace(/\W+/g, '-'))?.click();
})
