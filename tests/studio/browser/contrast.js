// What of the page can hardly be read: [contrast, what] of all text below 4.5 to 1 (WCAG 2.2, 1.4.3).
() => {
  const luminance = (colour) => colour.map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const rgba = (text) => [...text.match(/[\d.]+/g).map(Number), 1].slice(0, 4);
  const over = (top, under) => (
    top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3])));
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      layers.push(rgba(getComputedStyle(each).backgroundColor));
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const isToRead = (each) => each.checkVisibility({ visibilityProperty: true })
    && (each.innerText || each.value) && !each.disabled
    && each.getAttribute('aria-disabled') !== 'true' && !each.closest('.visually-hidden');
  const read = 'button, label, p, h2, h3, output, dt, dd, select, input[type=number]';
  return [...document.querySelectorAll(read)].filter(isToRead)
    .map((each) => {
      const under = ground(each);
      const lights = [over(rgba(getComputedStyle(each).color), under), under].map(luminance);
      const ratio = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
      const name = each.id || each.className || each.innerText.slice(0, 30);
      return [Math.round(100 * ratio) / 100, name];
    })
    .filter(([ratio]) => ratio < 4.5);
}
