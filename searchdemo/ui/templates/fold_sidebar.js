() => {
  if (innerWidth < 768) document.querySelector('#sidebar.open .toggle-button')?.click();
}
