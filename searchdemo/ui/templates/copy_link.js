(query) => {
  const link = location.origin + location.pathname + '?' + query;
  history.replaceState(null, '', link);
  navigator.clipboard?.writeText(link).catch(() => {});
  return link;
}
