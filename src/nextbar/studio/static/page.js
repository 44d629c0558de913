// The page's elements, and the two places where it speaks: a quiet line, and an error that stays
// until it is closed.

export const $ = (id) => document.getElementById(id);

export function element(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

// One of the page's own pictures; what they mean is said beside them.
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export function say(sentence) { $("status").textContent = sentence; }

export function fail(error) {
  if (error.name === "AbortError") return;
  $("toast-says").textContent = error.message;
  $("toast").hidden = false;
}

export function forgive() { $("toast").hidden = true; }

// A button that cannot be used now keeps the focus, and says so.
export function enable(button, isEnabled) {
  button.setAttribute("aria-disabled", String(!isEnabled));
}

export const isEnabled = (button) => button.getAttribute("aria-disabled") !== "true" && !button.disabled;

// Calls back when a button is pressed that can be used.
export function onPress(id, work) {
  $(id).addEventListener("click", (event) => { if (isEnabled($(id))) work(event); });
}

// "bar 2", "bars 2 to 4"
export const barsInWords = (first, last) => (first === last ? `bar ${first + 1}` : `bars ${first + 1} to ${last + 1}`);
