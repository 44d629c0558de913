// What the page knows: the run, the piece, what was before it. Others are told when it changes.

const TRAY = "nextbar-studio-tray", CURRENT = "nextbar-studio-piece";
const MOST_UNDO = 200, MOST_KEPT = 60;

function remember(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;   // no room, or none allowed: the page works without
  }
}

function recall(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

export class State extends EventTarget {
  run = null;         // as /api/runs describes it
  piece = null;       // {recipe, bars}, never changed in place
  selected = -1;
  #past = [];
  #future = [];

  #tell() { this.dispatchEvent(new Event("change")); }

  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }
  get nGiven() { return this.piece?.recipe.given_bars ?? 0; }
  get nWritten() { return this.piece?.recipe.bars.length ?? 0; }

  setRun(run) {
    this.run = run;
    this.#tell();
  }

  // A new piece; the one before can be had back by undo.
  put(piece) {
    if (this.piece) this.#past.push(this.piece);
    if (this.#past.length > MOST_UNDO) this.#past.shift();
    this.#future = [];
    this.#set(piece);
  }

  // A piece on its way, bar by bar; nothing to go back to.
  preview(piece) {
    this.piece = piece;
    this.#tell();
  }

  // No piece again, as on a fresh page.
  clear() {
    this.piece = null;
    this.selected = -1;
    this.#tell();
  }

  undo() {
    if (!this.canUndo) return;
    this.#future.push(this.piece);
    this.#set(this.#past.pop());
  }

  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.piece);
    this.#set(this.#future.pop());
  }

  #set(piece) {
    this.piece = piece;
    if (this.selected >= piece.bars.length) this.selected = -1;
    remember(CURRENT, piece.recipe);
    this.#tell();
  }

  select(bar) {
    this.selected = bar === this.selected ? -1 : bar;   // once more: none
    this.#tell();
  }

  isLocked(bar) {
    return this.piece?.recipe.locked.includes(bar - this.nGiven) ?? false;
  }

  toggleLock(bar) {
    const { recipe } = this.piece;
    const written = bar - this.nGiven;
    if (written < 0) return;
    const others = recipe.locked.filter((each) => each !== written);
    const locked = this.isLocked(bar) ? others : [...others, written].sort((a, b) => a - b);
    this.put({ ...this.piece, recipe: { ...recipe, locked } });
  }

  // The recipe with another bar in the place of one.
  recipeWith(bar, { name, recipe: made }) {
    const { recipe } = this.piece;
    const bars = [...recipe.bars];
    bars[bar - this.nGiven] = name;
    return { ...recipe, bars, made: { ...recipe.made, [name]: made } };
  }

  get lastRecipe() { return recall(CURRENT); }

  get tray() {
    const kept = recall(TRAY);
    return Array.isArray(kept) ? kept : [];
  }

  keep(entry) { return remember(TRAY, [entry, ...this.tray].slice(0, MOST_KEPT)); }
  discard(index) { remember(TRAY, this.tray.filter((_, i) => i !== index)); }
}
