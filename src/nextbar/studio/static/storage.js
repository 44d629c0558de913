// What stays in this browser. What another tab has put there meanwhile is never overwritten: a kept
// piece has a name of its own, and is put and taken away by that.

const TRAY = "nextbar-studio-tray";
const MOST_KEPT = 60;

function write(place, key, value) {
  try {
    place().setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;   // no room, or none allowed: the page works without
  }
}

function read(place, key) {
  try {
    return JSON.parse(place().getItem(key));
  } catch {
    return null;
  }
}

// Of all tabs, and of this one.
export const remember = (key, value) => write(() => localStorage, key, value);
export const recall = (key) => read(() => localStorage, key);
export const rememberHere = (key, value) => write(() => sessionStorage, key, value);
export const recallHere = (key) => read(() => sessionStorage, key);

const newName = () => [...crypto.getRandomValues(new Uint32Array(3))].map((n) => n.toString(36)).join("");

function isWhole(entry) {
  return typeof entry?.title === "string" && typeof entry.recipe === "object" && entry.recipe !== null
    && Array.isArray(entry.bars)
    && entry.bars.every((bar) => Array.isArray(bar?.notes) && bar.notes.every(Array.isArray)
      && (bar.n_steps ?? entry.nSteps) > 0);
}

function stored() {
  const kept = recall(TRAY);
  if (!Array.isArray(kept)) return [];
  // What was kept before pieces had names gets one that is the same in every tab.
  return kept.map((entry, i) => (entry?.id || typeof entry !== "object" || !entry ? entry : { ...entry, id: `old ${kept.length - i}` }));
}

// {kept: the entries that can be opened, damaged: how many cannot}.
export function tray() {
  const all = stored();
  // What was kept before bars had a width of their own says one for all.
  const kept = all.filter(isWhole).map((entry) => (
    { ...entry, bars: entry.bars.map((bar) => ({ n_steps: entry.nSteps, ...bar })) }
  ));
  return { kept, damaged: all.length - kept.length };
}

// Gives why the entry could not be kept, or "".
export function keep(entry) {
  const all = stored();
  if (all.length >= MOST_KEPT) return `${MOST_KEPT} pieces are kept here already; discard one, or take the recipe away.`;
  if (remember(TRAY, [{ ...entry, id: newName() }, ...all])) return "";
  return "This browser does not let the page keep anything; take the recipe away instead.";
}

export function discard(id) {
  remember(TRAY, stored().filter((entry) => entry?.id !== id));
}

export function discardDamaged() {
  remember(TRAY, stored().filter(isWhole));
}

// Calls back when another tab has kept or discarded something.
export function watchTray(onchange) {
  addEventListener("storage", (event) => { if (event.key === TRAY || event.key === null) onchange(); });
}
