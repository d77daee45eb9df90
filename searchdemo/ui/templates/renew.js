() => {
  window.renewals = (window.renewals ?? 0) + 1; // how often another gallery or encoder was chosen, or was built
  ({{ refresh | safe }})();
}
