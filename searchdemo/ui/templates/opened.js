() => {
  window.linkRead = true;
  ({{ refresh | safe }})();
}
