() => {
  if (innerWidth < 1024) document.querySelector('#sidebar.open .toggle-button')?.click();
}
