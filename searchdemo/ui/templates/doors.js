const tab = (name) => [...document.querySelectorAll('#tabs button[role=tab]')].find((one) => one.textContent.trim() === name);
const doors = {
  learn: () => {
    tab('Image search')?.click();
    const lesson = document.querySelector('#lesson details');
    if (lesson) lesson.open = true;
    document.getElementById('lesson')?.scrollIntoView({behavior: 'smooth'});
  },
  choose: () => tab('Trade-offs')?.click(),
  mine: (door) => {
    const open = document.body.classList.toggle('mine-open');
    door.setAttribute('aria-expanded', String(open));
  },
};
element.addEventListener('click', (event) => {
  const door = event.target.closest('[data-door]');
  if (door) doors[door.dataset.door](door);
});
