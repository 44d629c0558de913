// What a piece begins from: silence, a training tune, a file of one's own, or drawn notes.

import { get, post } from "./api.js";
import { barStarts } from "./roll.js";

const $ = (id) => document.getElementById(id);

// The notes of bars first..last (from 1), counted from the first of them. starts: of all bars.
export function cutBars(notes, first, last, starts) {
  const begin = starts[first - 1], end = starts[last];
  return notes
    .filter(([start]) => start >= begin && start < end)
    .map(([start, duration, pitch, velocity]) => [
      start - begin, Math.min(duration, end - start), pitch, velocity,
    ]);
}

export class Beginnings {
  // metre(): what is chosen of those that the run knows. onhear(notes, steps): play these.
  // onchange(): the beginning is another. fail(error): say it.
  constructor({ state, roll, sound, metre, onhear, onchange, fail }) {
    Object.assign(this, { state, roll, sound, metre, onhear, onchange, fail });
    this.kind = "noise";
    this.mostBars = 1;   // that a piece may begin from; the server says it
    this.tunes = [];
    this.tune = null;
    this.file = null;
    this.upload = null;
    this.drawing = null;
    for (const input of document.getElementsByName("begin")) {
      input.addEventListener("change", () => this.choose(input.value));
    }
    this.wireTunes();
    this.wireFile();
    this.wireDrawing();
  }

  choose(kind) {
    this.kind = kind;
    for (const input of document.getElementsByName("begin")) input.checked = input.value === kind;
    for (const each of ["noise", "tune", "file", "draw", "opened"]) $(`begin-${each}`).hidden = each !== kind;
    this.roll.drawing = kind === "draw" ? this.layDrawing() : null;
    $("roll").classList.toggle("drawing", kind === "draw");
    if (kind === "draw") this.state.select(-1);
    if (kind === "tune" && !this.tunes.length) this.loadTunes();
    this.roll.fit();
    this.onchange();
  }

  // What /api/begin is asked with. Throws a sentence where something is missing.
  get asked() {
    const run = this.state.run.fingerprint;
    if (this.kind === "noise") return { run };
    if (this.kind === "opened") return { ...this.opened, run };
    if (this.kind === "draw") {
      const { bars, notes: drawn } = this.drawing;
      if (!drawn.length) throw new Error("Draw some notes in the roll first.");
      const notes = drawn.map((n) => [n.start, n.duration, n.pitch, n.velocity]);
      return { run, notes, bars: bars.length, metres: bars.map((bar) => bar.metre) };
    }
    const { source } = this;
    const [first, last] = this.chosenBars;
    if (!source.known[last - 1]) throw new Error(this.sayUnknown(last));
    const notes = cutBars(source.notes, first, last, source.starts);
    if (!notes.length) throw new Error("These bars are silent; choose others.");
    return {
      run, notes, bars: last - first + 1, metres: source.metres.slice(first - 1, last),
      transposed: source.transposed, sound: this.ownSound,
    };
  }

  // The tune or the file that is chosen. Throws a sentence where none is.
  get source() {
    const source = this.kind === "tune" ? this.tune : this.upload;
    if (!source) throw new Error(this.kind === "tune" ? "Choose a tune first." : "Choose a file first.");
    return source;
  }

  // Why nothing can be written behind a bar, and behind which it can.
  sayUnknown(bar) {
    const { metres, known } = this.source;
    const usable = known.flatMap((isKnown, i) => (isKnown ? [i + 1] : []));
    const [nearest] = usable.sort((one, other) => Math.abs(one - bar) - Math.abs(other - bar));
    return `Bar ${bar} is in ${metres[bar - 1]}, which the model does not know; `
      + (nearest ? `the nearest bar that it can go on from is bar ${nearest}.` : "choose another file.");
  }

  // How the file or the opened piece sounds; null is as the run's own music.
  get ownSound() {
    const source = { file: this.upload, opened: this.opened }[this.kind];
    return source?.sound ?? null;
  }

  // A piece was opened: it is gone on from as it is.
  show({ recipe, bars: all }) {
    const { run, given_notes: notes, given_bars: bars, transposed, sound } = recipe;
    this.opened = { run, notes, bars, metres: all.slice(0, bars).map((bar) => bar.metre), transposed, sound };
    $("opened-tab").hidden = bars === 0;
    this.choose(bars === 0 ? "noise" : "opened");
  }

  get chosenBars() {
    const n = this.source.known.length;
    const first = Math.min(Number($(`${this.kind}-first`).value) || 1, n);
    const last = Math.max(Number($(`${this.kind}-last`).value) || first, first);
    return [first, Math.min(last, n, first + this.mostBars - 1)];
  }

  // ------------------------------------------------------------------- a training tune

  wireTunes() {
    $("tune-search").addEventListener("input", () => this.listTunes());
    $("tune-list").addEventListener("change", () => this.loadTune($("tune-list").value));
    $("tune-hear").addEventListener("click", () => this.hear());
    for (const id of ["tune-first", "tune-last", "file-first", "file-last"]) {
      $(id).addEventListener("change", () => this.onchange());
    }
  }

  async loadTunes() {
    if (!this.state.run.tunes) {
      this.fail(new Error(this.state.run.why_no_tunes));
      return;
    }
    try {
      this.tunes = (await get(`/api/tunes?run=${this.state.run.fingerprint}`)).tunes;
      this.listTunes();
    } catch (error) { this.fail(error); }
  }

  listTunes() {
    const wanted = $("tune-search").value.trim().toLowerCase();
    const found = this.tunes.filter((tune) => tune.name.toLowerCase().includes(wanted));
    $("tune-list").replaceChildren(...found.slice(0, 400).map((tune) => {
      const option = new Option(tune.name.replace(/\.(abc|midi?)$/i, ""), tune.number);
      option.title = `${tune.bars} bars`;
      return option;
    }));
  }

  async loadTune(number) {
    try {
      this.tune = await get(`/api/tunes/${number}?run=${this.state.run.fingerprint}`);
      $("tune-bars").hidden = false;
      this.setBars("tune", 1, Math.min(2, this.tune.bars), this.tune.bars);
      this.hear();
      this.onchange();
    } catch (error) { this.fail(error); }
  }

  setBars(kind, first, last, most) {
    for (const [end, value] of [["first", first], ["last", last]]) {
      $(`${kind}-${end}`).max = most;
      $(`${kind}-${end}`).value = value;
    }
  }

  hear() {
    try {
      const { notes } = this.asked;
      this.onhear(notes, this.steps);
    } catch (error) { this.fail(error); }
  }

  // How long that is which is begun from.
  get steps() {
    if (this.kind === "draw") return barStarts(this.drawing.bars).at(-1);
    const [first, last] = this.chosenBars;
    return this.source.starts[last] - this.source.starts[first - 1];
  }

  // ------------------------------------------------------------------- a file of one's own

  wireFile() {
    $("file").addEventListener("change", () => { if ($("file").files[0]) this.take($("file").files[0]); });
    $("file-tune").addEventListener("change", () => this.take(this.file, { tune: $("file-tune").value }));
    $("file-track").addEventListener("change", () => {
      this.take(this.file, { tune: this.upload?.tune, track: $("file-track").value });
    });
    $("file-hear").addEventListener("click", () => this.hear());
    for (const target of [document.body]) {
      target.addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
      target.addEventListener("dragleave", () => $("drop").classList.remove("over"));
      target.addEventListener("drop", (event) => {
        event.preventDefault();
        $("drop").classList.remove("over");
        const file = event.dataTransfer?.files[0];
        if (!file) return;
        if (file.name.endsWith(".json")) { this.onrecipe?.(file); return; }
        this.choose("file");
        this.take(file);
      });
    }
  }

  // Reads a file, or another tune or track of it; ``reading`` is done when its notes are there.
  take(file, chosen = {}) {
    this.file = file;
    this.reading = this.read(chosen);
  }

  async read({ tune, track = "all" }) {
    const where = new URLSearchParams({ run: this.state.run.fingerprint, name: this.file.name.slice(-200), track });
    if (tune) where.set("tune", tune);
    const before = this.upload;
    try {
      this.upload = await post(`/api/upload?${where}`, this.file);
    } catch (error) {
      this.upload = null;
      $("file-choices").hidden = true;
      this.fail(error);
      return;
    }
    const { tracks, bars, cut, tune: number, tunes, says } = this.upload;
    if (!tune) this.choices = this.upload.choices;
    const isNew = !tune || before?.tune !== number;
    const which = tunes > 1 ? `, tune ${number} of ${tunes}` : "";
    $("file-choices").hidden = false;
    $("file-name").textContent = `${this.file.name}${which}: ${bars} bars${cut ? ", of a longer file" : ""}`;
    $("file-says").textContent = says.join("\n");
    $("file-track").replaceChildren(
      new Option("all tracks", "all"),
      ...tracks.map((t) => new Option(`${t.number} ${t.name || "unnamed"} (${t.notes} notes)`, t.number)),
    );
    $("file-track").value = track;
    $("file-tune").parentElement.hidden = this.choices.length < 2;
    $("file-tune").replaceChildren(...this.choices.map((each) => new Option(`${each.number} ${each.name}`, each.number)));
    $("file-tune").value = number;
    if (isNew) this.setBars("file", ...this.firstBars(), bars);
    this.onchange();
  }

  // The first four bars that sound, or as many of them as the model can go on from.
  firstBars() {
    const { bars, known, first_bar: begins } = this.upload;
    const last = known.lastIndexOf(true, Math.min(begins + 3, bars) - 1) + 1;
    if (last >= begins) return [begins, last];
    const later = known.indexOf(true, begins - 1) + 1 || begins;
    return [later, later];
  }

  // ------------------------------------------------------------------- drawn notes

  wireDrawing() {
    const canvas = $("canvas");
    let now = null;
    canvas.addEventListener("pointerdown", (event) => {
      const cell = this.roll.drawing && this.roll.cellAt(event);
      if (!cell) return;
      canvas.setPointerCapture(event.pointerId);
      now = this.toggle(cell);
    });
    canvas.addEventListener("pointermove", (event) => {
      const cell = now && this.roll.cellAt(event);
      if (!cell || cell.step < now.start) return;
      now.duration = cell.step - now.start + 1;
      this.roll.paint();
    });
    const end = () => {
      if (now) { this.alone(now); this.onchange(); }
      now = null;
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    $("roll").addEventListener("keydown", (event) => this.drawByKey(event));
    $("draw-bars").addEventListener("change", () => this.choose("draw"));
    $("draw-clear").addEventListener("click", () => { this.drawing = null; this.choose("draw"); });
    $("draw-hear").addEventListener("click", () => this.hear());
  }

  // So many bars of the chosen metre, and of the drawn notes what lies in them.
  layDrawing() {
    const bars = Array(Number($("draw-bars").value)).fill(this.metre());
    const end = barStarts(bars).at(-1);
    const notes = (this.drawing?.notes ?? []).filter((note) => note.start < end);
    for (const note of notes) note.duration = Math.min(note.duration, end - note.start);
    this.drawing = { bars, notes, cursor: null };
    return this.drawing;
  }

  // Another metre is chosen: notes that are being drawn lie in bars of it.
  takeMetre() { if (this.roll.drawing) this.choose("draw"); }

  // Steps that a press fills: a beat, where beats are dotted a third of one.
  get stroke() {
    const { metre, beat } = this.drawing.bars[0];
    const units = Number.parseInt(metre, 10);
    return Math.max(1, Math.floor(units > 3 && units % 3 === 0 ? beat / 3 : beat));
  }

  // Sets a note at a cell, and gives it; takes one away that is there, and gives null.
  toggle({ step, pitch }, length = this.stroke) {
    const drawn = this.drawing.notes;
    const there = drawn.find((note) =>
      note.pitch === pitch && note.start <= step && step < note.start + note.duration);
    if (there) {
      drawn.splice(drawn.indexOf(there), 1);
      this.roll.paint();
      this.onchange();
      return null;
    }
    const velocity = this.state.run.median_velocity;
    const note = { start: step, duration: Math.min(length, this.roll.end - step), pitch, velocity };
    drawn.push(note);
    this.sound.strike(pitch, velocity);
    this.roll.paint();
    return note;
  }

  // A new note ends others of its pitch, as a key can only be struck again.
  alone(note) {
    const drawn = this.drawing.notes;
    for (const other of [...drawn]) {
      if (other === note || other.pitch !== note.pitch) continue;
      if (other.start < note.start) other.duration = Math.min(other.duration, note.start - other.start);
      else if (other.start < note.start + note.duration) drawn.splice(drawn.indexOf(other), 1);
    }
    this.roll.paint();
  }

  drawByKey(event) {
    const drawing = this.roll.drawing;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (!drawing || (!(event.key in moves) && event.key !== "Enter")) return;
    event.preventDefault();
    const length = this.stroke;
    drawing.cursor ??= { step: 0, pitch: 60, length };
    const { cursor } = drawing;
    if (event.key === "Enter") {
      const note = this.toggle(cursor, cursor.length);
      if (note) { this.alone(note); this.onchange(); }
      return;
    }
    const [along, up] = moves[event.key];
    if (event.shiftKey) cursor.length = Math.max(1, cursor.length + along);
    else cursor.step = Math.min(Math.max(cursor.step + along * length, 0), this.roll.end - 1);
    cursor.pitch = Math.min(Math.max(cursor.pitch + up, this.roll.low), this.roll.high);
    this.roll.paint();
  }
}
