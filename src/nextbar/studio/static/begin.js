// What a piece begins from: silence, a training tune, a file of one's own, or drawn notes.

import { get, post } from "./api.js";

const $ = (id) => document.getElementById(id);

// The notes of bars first..last (from 1), counted from the first of them.
export function cutBars(notes, first, last, nSteps) {
  const begin = (first - 1) * nSteps, end = last * nSteps;
  return notes
    .filter(([start]) => start >= begin && start < end)
    .map(([start, duration, pitch, velocity]) => [
      start - begin, Math.min(duration, end - start), pitch, velocity,
    ]);
}

export class Beginnings {
  // onhear(notes, bars): play these. onchange(): the beginning is another. fail(error): say it.
  constructor({ state, roll, sound, onhear, onchange, fail }) {
    Object.assign(this, { state, roll, sound, onhear, onchange, fail });
    this.kind = "noise";
    this.mostBars = 1;   // that a piece may begin from; the server says it
    this.tunes = [];
    this.tune = null;
    this.file = null;
    this.upload = null;
    this.drawn = [];
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
    this.roll.drawing = kind === "draw"
      ? { bars: Number($("draw-bars").value), notes: this.drawn, cursor: null } : null;
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
      if (!this.drawn.length) throw new Error("Draw some notes in the roll first.");
      const notes = this.drawn.map((n) => [n.start, n.duration, n.pitch, n.velocity]);
      return { run, notes, bars: this.roll.drawing.bars };
    }
    const source = this.kind === "tune" ? this.tune : this.upload;
    if (!source) throw new Error(this.kind === "tune" ? "Choose a tune first." : "Choose a file first.");
    const [first, last] = this.chosenBars;
    const notes = cutBars(source.notes, first, last, this.state.run.n_steps);
    if (!notes.length) throw new Error("These bars are silent; choose others.");
    return { run, notes, bars: last - first + 1, transposed: source.transposed, sound: this.ownSound };
  }

  // How the file or the opened piece sounds; null is as the run's own music.
  get ownSound() {
    const source = { file: this.upload, opened: this.opened }[this.kind];
    return source?.sound ?? null;
  }

  // A piece was opened: it is gone on from as it is.
  show({ run, given_notes: notes, given_bars: bars, transposed, sound }) {
    this.opened = { run, notes, bars, transposed, sound };
    $("opened-tab").hidden = bars === 0;
    this.choose(bars === 0 ? "noise" : "opened");
  }

  get chosenBars() {
    const first = Number($(`${this.kind}-first`).value) || 1;
    const last = Math.max(Number($(`${this.kind}-last`).value) || first, first);
    return [first, Math.min(last, first + this.mostBars - 1)];
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
      const { notes, bars } = this.asked;
      this.onhear(notes, bars);
    } catch (error) { this.fail(error); }
  }

  // ------------------------------------------------------------------- a file of one's own

  wireFile() {
    $("file").addEventListener("change", () => { if ($("file").files[0]) this.take($("file").files[0]); });
    $("file-track").addEventListener("change", () => this.take(this.file, $("file-track").value));
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

  // Reads a file, or another track of it; ``reading`` is done when its notes are there.
  take(file, track = "all") {
    const isNew = file !== this.file;
    this.file = file;
    this.reading = this.read(track, isNew);
  }

  async read(track, isNew) {
    const where = new URLSearchParams({ run: this.state.run.fingerprint, name: this.file.name.slice(-200), track });
    try {
      this.upload = await post(`/api/upload?${where}`, this.file);
    } catch (error) {
      this.upload = null;
      $("file-choices").hidden = true;
      this.fail(error);
      return;
    }
    const { tracks, bars, cut, tune, tunes, first_bar: begins, says } = this.upload;
    const which = tunes > 1 ? `, tune ${tune} of ${tunes}` : "";
    $("file-choices").hidden = false;
    $("file-name").textContent = `${this.file.name}${which}: ${bars} bars${cut ? ", of a longer file" : ""}`;
    $("file-says").textContent = says.join("\n");
    $("file-track").replaceChildren(
      new Option("all tracks", "all"),
      ...tracks.map((t) => new Option(`${t.number} ${t.name || "unnamed"} (${t.notes} notes)`, t.number)),
    );
    $("file-track").value = track;
    if (isNew) this.setBars("file", begins, Math.min(begins + 3, bars), bars);
    this.onchange();
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
    $("draw-bars").addEventListener("change", () => {
      const bars = Number($("draw-bars").value);
      this.drawn = this.drawn.filter((note) => note.start < bars * this.roll.nSteps);
      this.choose("draw");
    });
    $("draw-clear").addEventListener("click", () => { this.drawn = []; this.choose("draw"); });
    $("draw-hear").addEventListener("click", () => this.hear());
  }

  // Sets a note at a cell, and gives it; takes one away that is there, and gives null.
  toggle({ step, pitch }, length = this.roll.perQuarter) {
    const there = this.drawn.find((note) =>
      note.pitch === pitch && note.start <= step && step < note.start + note.duration);
    if (there) {
      this.drawn.splice(this.drawn.indexOf(there), 1);
      this.roll.paint();
      this.onchange();
      return null;
    }
    const end = this.roll.drawing.bars * this.roll.nSteps;
    const velocity = this.state.run.median_velocity;
    const note = { start: step, duration: Math.min(length, end - step), pitch, velocity };
    this.drawn.push(note);
    this.sound.strike(pitch, velocity);
    this.roll.paint();
    return note;
  }

  // A new note ends others of its pitch, as a key can only be struck again.
  alone(note) {
    for (const other of [...this.drawn]) {
      if (other === note || other.pitch !== note.pitch) continue;
      if (other.start < note.start) other.duration = Math.min(other.duration, note.start - other.start);
      else if (other.start < note.start + note.duration) this.drawn.splice(this.drawn.indexOf(other), 1);
    }
    this.roll.paint();
  }

  drawByKey(event) {
    const drawing = this.roll.drawing;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (!drawing || (!(event.key in moves) && event.key !== "Enter")) return;
    event.preventDefault();
    const length = this.roll.perQuarter;
    drawing.cursor ??= { step: 0, pitch: 60, length };
    const { cursor } = drawing;
    if (event.key === "Enter") {
      const note = this.toggle(cursor, cursor.length);
      if (note) { this.alone(note); this.onchange(); }
      return;
    }
    const [along, up] = moves[event.key];
    if (event.shiftKey) cursor.length = Math.max(1, cursor.length + along);
    else cursor.step = Math.min(Math.max(cursor.step + along * length, 0), drawing.bars * this.roll.nSteps - 1);
    cursor.pitch = Math.min(Math.max(cursor.pitch + up, this.roll.low), this.roll.high);
    this.roll.paint();
  }
}
