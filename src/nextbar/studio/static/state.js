// What the page knows: the piece and the settings of what is composed next, what was before them,
// and what is selected. All of it is here and nowhere else; others are told when it changes.

import { isLocked, nGiven } from "./piece.js";
import { recall, recallHere, remember, rememberHere } from "./storage.js";
import { STRAIGHT } from "./swing.js";

const CURRENT = "nextbar-studio-piece";
const MOST_UNDO = 300;

export class State extends EventTarget {
  runs = [];
  #now = { piece: null, settings: {} };
  #preview = null;    // a piece on its way, bar by bar
  #past = [];
  #future = [];
  #keeping = 0;
  #step = "";         // what the last change was of; one more of it is the same step of undo
  selected = -1;      // the first selected bar
  last = -1;          // the last one
  notes = new Set();  // the selected notes, as keyOf gives them
  version = 0;        // grows with every piece that is put, undone or redone

  constructor() {
    super();
    addEventListener("pagehide", () => this.#keepNow());
  }

  #tell(kind = "change") { this.dispatchEvent(new Event(kind)); }

  get piece() { return this.#preview ?? this.#now.piece; }
  get settings() { return this.#now.settings; }
  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }
  get nGiven() { return this.piece ? nGiven(this.piece) : 0; }
  get nWritten() { return this.piece?.recipe.bars.length ?? 0; }
  get isPreview() { return this.#preview !== null; }

  // The run that composes next, and the one that the piece was made with.
  get run() { return this.runs.find((run) => run.fingerprint === this.settings.run) ?? this.runs[0] ?? null; }
  get runOfPiece() { return this.runs.find((run) => run.fingerprint === this.piece?.recipe.run) ?? this.run; }

  // How the piece sounds, null as its run's music; and its quarters a minute, as exact as a file has
  // them.
  get sound() { return this.#now.piece?.recipe.sound ?? null; }
  get tempo() { return this.sound?.tempo ?? this.runOfPiece?.tempo ?? 120; }

  setRuns(runs) {
    this.runs = runs;
    this.#tell();
  }

  // What the page begins with; there is nothing before it.
  begin(piece, settings) {
    this.#now = { piece, settings: { ...this.settings, ...settings } };
    this.#arrived();
  }

  // A new piece, and settings that go with it; what was before can be had back by undo. Of changes
  // with one ``step`` that follow each other only the first can be gone back before.
  put(piece, settings = {}, step = "") {
    if (!step || step !== this.#step) {
      this.#past.push(this.#now);
      if (this.#past.length > MOST_UNDO) this.#past.shift();
    }
    this.#step = step;
    this.#future = [];
    this.#now = { piece, settings: { ...this.settings, ...settings } };
    this.#arrived();
  }

  // A setting of what is composed next.
  set(name, value) {
    if (this.settings[name] === value) return;
    this.#preview = null;
    this.put(this.#now.piece, { [name]: value }, `set ${name}`);
  }

  get program() { return this.sound?.program ?? 0; }

  setTempo(tempo) { this.#setSound({ tempo }, "tempo"); }

  setProgram(program) { this.#setSound({ program, name: "" }, "program"); }

  // Where in a quarter its second eighth is heard, in percent.
  get swing() { return this.sound?.swing ?? STRAIGHT; }

  setSwing(swing) { this.#setSound({ swing }, "swing"); }

  #setSound(values, step) {
    const { piece } = this.#now;
    const sound = { program: 0, name: "", tempo: this.tempo, ...piece.recipe.sound, ...values };
    if (sound.swing === STRAIGHT) delete sound.swing;   // as before there was such a thing
    this.put({ ...piece, recipe: { ...piece.recipe, sound } }, {}, step);
  }

  // The same piece, as the server has it.
  amend(piece) {
    this.#now = { ...this.#now, piece };
    this.#keep();
    this.#tell();
  }

  // A piece on its way; null: it never arrived.
  preview(piece) {
    this.#preview = piece;
    this.#tell();
  }

  // What is there now is what the page begins with.
  forget(settings) {
    this.#past = [];
    this.begin(this.#now.piece, settings);
  }

  undo() {
    if (!this.canUndo) return;
    this.#future.push(this.#now);
    this.#go(this.#past.pop());
  }

  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.#now);
    this.#go(this.#future.pop());
  }

  #go(now) {
    this.#now = now;
    this.#step = "";
    this.#arrived();
  }

  #arrived() {
    this.#preview = null;
    this.version += 1;
    const n = this.piece?.bars.length ?? 0;
    if (this.last >= n) this.selected = this.last = -1;
    this.#keep();
    this.#tell();
  }

  // A moment later, for a slider changes the piece many times a second; at the latest when the page
  // is left.
  #keep() {
    clearTimeout(this.#keeping);
    this.#keeping = setTimeout(() => this.#keepNow(), 300);
  }

  #keepNow() {
    clearTimeout(this.#keeping);
    const { piece, settings } = this.#now;
    if (!piece) return;
    const kept = { recipe: piece.recipe, settings };
    rememberHere(CURRENT, kept);
    remember(CURRENT, kept);
  }

  // The piece and the settings that were here before a reload; in a new tab those of the last one.
  static get before() {
    const kept = recallHere(CURRENT) ?? recall(CURRENT);
    if (kept?.kind) return { recipe: kept, settings: {} };   // as it was kept once
    return kept?.recipe ? kept : null;
  }

  // ------------------------------------------------------------------ what is selected

  // One bar; once more: none.
  select(bar) {
    if (bar === this.selected && bar === this.last) this.selectBars(-1, -1);
    else this.selectBars(bar, bar);
  }

  selectBars(one, other) {
    this.selected = Math.min(one, other);
    this.last = Math.max(one, other);
    this.notes = new Set();
    this.#tell();
  }

  selectNotes(keys) {
    this.notes = new Set(keys);
    if (this.notes.size) this.selected = this.last = -1;
    this.#tell();
  }

  isLocked(bar) { return this.piece ? isLocked(this.piece, bar) : false; }
}
