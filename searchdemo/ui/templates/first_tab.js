() => {
  document.querySelector('#tabs button[role=tab]')?.click();
  document.querySelector('#tabs')?.scrollIntoView({block: 'start'});
}
