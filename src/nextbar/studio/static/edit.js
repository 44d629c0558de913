// Notes changed by hand, on the roll: by mouse, by touch and by keys. A change is made when the
// pointer is let go; the bars that it touches are the musician's from then on.

import { $, enable, fail, onPress } from "./page.js";
import { barStarts, HIGHEST, joinBars, keyOf, LOWEST, withNotes } from "./piece.js";
import { KEYS, pitchName } from "./roll.js";

const FINGER = 18, POINTER = 6;      // pixels that a press may be beside a note
const STILL = 4;                     // pixels that a press may move and still be one
const DOUBLE = 400;                  // milliseconds between two presses that are one

const within = (value, low, high) => Math.min(Math.max(value, low), high);
const plain = ({ start, duration, pitch, velocity }) => ({ start, duration, pitch, velocity });

export class Editing {
  // studio: isBusy, widthToDraw.
  constructor({ state, roll, sound, studio }) {
    Object.assign(this, { state, roll, sound, studio });
    this.tool = "select";
    this.gesture = null;
    this.pointers = new Map();
    this.clipboard = null;      // {notes} counted from the first one's bar
    this.latest = null;         // the notes that the last change has chosen
    this.turn = 0;
    this.lastPress = { time: 0, x: 0, y: 0 };
    for (const input of document.getElementsByName("tool")) {
      input.addEventListener("change", () => this.choose(input.value));
    }
    const { canvas } = roll;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => { this.pointers.delete(event.pointerId); this.cancel(); });
    canvas.addEventListener("contextmenu", (event) => this.context(event));
    onPress("note-delete", () => this.remove());
    onPress("note-up", () => this.shift(0, 1));
    onPress("note-down", () => this.shift(0, -1));
    onPress("note-earlier", () => this.shift(-1, 0));
    onPress("note-later", () => this.shift(1, 0));
    onPress("note-shorter", () => this.stretch(-1));
    onPress("note-longer", () => this.stretch(1));
    $("note-velocity").addEventListener("input", () => this.setVelocity(Number($("note-velocity").value)));
    state.addEventListener("change", () => this.show());
    this.choose("select");
  }

  choose(tool) {
    this.tool = tool;
    for (const input of document.getElementsByName("tool")) input.checked = input.value === tool;
    const { box } = this.roll;
    for (const each of ["look", "select", "draw"]) box.classList.toggle(`tool-${each}`, each === tool);
    this.roll.cursor = null;
    this.roll.paint();
  }

  // The chosen notes as they stand.
  get chosen() {
    const { notes } = this.state;
    return notes.size ? this.roll.notes.filter((note) => notes.has(keyOf(note))) : [];
  }

  get isHeld() {
    if (!this.studio.isBusy) return false;
    fail(new Error("The model is writing; wait until it is done, or press Stop."));
    return true;
  }

  // Steps that a press fills: a beat, where beats are dotted a third of one.
  strokeAt(step) {
    const { bars, starts } = this.roll;
    const bar = bars[starts.findLastIndex((start) => start <= step)] ?? this.studio.widthToDraw;
    const units = Number.parseInt(bar.metre, 10);
    return Math.max(1, Math.floor(units > 3 && units % 3 === 0 ? bar.beat / 3 : bar.beat));
  }

  get velocity() { return this.state.run?.median_velocity ?? 80; }

  // ------------------------------------------------------------------ what is done

  // Takes notes away and sets others, and chooses those.
  put(remove, add, step = "") {
    const { piece } = this.state;
    const changed = withNotes(piece, { remove, add });
    if (changed === piece) return;
    if (this.state.notes !== this.latest) this.turn += 1;   // others are chosen: another step of undo
    this.state.put(changed, {}, step && `${step} ${this.turn}`);
    const there = new Set(joinBars(changed.bars).map(keyOf));
    this.state.selectNotes(add.map(keyOf).filter((key) => there.has(key)));
    this.latest = this.state.notes;
  }

  remove() {
    const { chosen } = this;
    if (chosen.length && !this.isHeld) this.put(chosen, []);
  }

  // How far notes can be moved so that all stay in the piece and on the piano.
  bounded(notes, steps, pitches) {
    const starts = notes.map(({ start }) => start), ends = notes.map(({ start, duration }) => start + duration);
    const all = notes.map(({ pitch }) => pitch);
    return [
      within(steps, -Math.min(...starts), this.roll.end - Math.max(...ends)),
      within(pitches, LOWEST - Math.min(...all), HIGHEST - Math.max(...all)),
    ];
  }

  shift(steps, pitches) {
    const { chosen } = this;
    if (!chosen.length || this.isHeld) return;
    const [along, up] = this.bounded(chosen, steps, pitches);
    if (!along && !up) return;
    const moved = chosen.map((note) => ({ ...plain(note), start: note.start + along, pitch: note.pitch + up }));
    this.put(chosen, moved, "shift");
    if (up) this.sound.strike(moved[0].pitch, moved[0].velocity);
    this.roll.reveal({ step: moved[0].start, pitch: moved[0].pitch });
  }

  stretch(steps) {
    const { chosen } = this;
    if (chosen.length && !this.isHeld) this.put(chosen, this.stretched(chosen, steps), "stretch");
  }

  stretched(notes, steps) {
    return notes.map((note) => ({
      ...plain(note), duration: within(note.duration + steps, 1, this.roll.end - note.start),
    }));
  }

  setVelocity(velocity) {
    const { chosen } = this;
    if (!chosen.length || this.isHeld) return;
    this.put(chosen, chosen.map((note) => ({ ...plain(note), velocity: within(Math.round(velocity), 1, 127) })), "velocity");
  }

  louder(by) {
    const { chosen } = this;
    if (!chosen.length || this.isHeld) return;
    this.put(chosen, chosen.map((note) => ({ ...plain(note), velocity: within(note.velocity + by, 1, 127) })), "velocity");
  }

  selectAll() {
    const { roll, state } = this;
    const [first, last] = [state.selected, state.last];
    const { starts } = roll;
    const notes = first < 0 ? roll.notes : roll.notes.filter(({ start }) => start >= starts[first] && start < starts[last + 1]);
    state.selectNotes(notes.map(keyOf));
  }

  // The next note in time or the one before, chosen alone.
  step(by) {
    const { notes } = this.roll;
    if (!notes.length) return;
    const { selected } = this.state;
    const here = notes.findIndex((note) => this.state.notes.has(keyOf(note)));
    const first = selected >= 0 ? notes.findIndex(({ start }) => start >= this.roll.starts[selected]) : 0;
    const note = notes[here < 0 ? Math.max(first, 0) : within(here + by, 0, notes.length - 1)];
    this.state.selectNotes([keyOf(note)]);
    this.sound.strike(note.pitch, note.velocity);
    this.roll.reveal({ step: note.start, pitch: note.pitch });
  }

  copy() {
    const { chosen } = this;
    if (!chosen.length) return false;
    const { starts } = this.roll;
    const first = Math.min(...chosen.map(({ start }) => start));
    const line = starts.findLast((start) => start <= first);
    this.clipboard = chosen.map((note) => ({ ...plain(note), start: note.start - line }));
    return true;
  }

  // Sets the copied notes where the playhead, the selected bar or the keys' place is.
  paste() {
    const { clipboard, roll, state } = this;
    if (!clipboard || !roll.end || this.isHeld) return;
    const { starts } = roll;
    const lastChosen = Math.max(...this.chosen.map(({ start }) => start), -1);
    const bar = state.selected >= 0 ? state.selected : starts.findLastIndex((start) => start <= lastChosen) + 1;
    const line = roll.cursor?.step ?? starts[Math.min(bar, roll.bars.length - 1)];
    this.put([], clipboard.map((note) => ({ ...note, start: note.start + line })).filter(({ start }) => start < roll.end));
  }

  // Sets a note, or takes away the one that is there.
  toggle({ step, pitch }, length) {
    const there = this.roll.notes.find((note) => (
      note.pitch === pitch && note.start <= step && step < note.start + note.duration));
    if (this.isHeld) return;
    if (there) {
      this.put([there], []);
      return;
    }
    const note = { start: step, duration: Math.min(length, this.roll.end - step), pitch, velocity: this.velocity };
    this.sound.strike(pitch, note.velocity);
    this.put([], [note]);
  }

  // ------------------------------------------------------------------ by pointer

  down(event) {
    const { roll, state } = this;
    if (this.pointers.size >= 1) {   // a second finger: the roll is moved and zoomed
      this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      this.cancel();
      return;
    }
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const place = roll.placeOf(event);
    roll.canvas.closest("#roll").focus({ preventScroll: true });
    if (place.isOnKeys) {
      this.sound.strike(place.pitch, this.velocity);
      return;
    }
    if (event.button === 2) return;   // what a menu would be opened for
    const reach = event.pointerType === "touch" ? FINGER : POINTER;
    const found = roll.noteAt(place, reach);
    if (this.tool === "look") {
      this.gesture = { kind: "tap", found, place };
      return;
    }
    roll.canvas.setPointerCapture(event.pointerId);
    if (found) {
      const key = keyOf(found.note);
      if (event.shiftKey) {
        const keys = new Set(state.notes);
        if (!keys.delete(key)) keys.add(key);
        state.selectNotes(keys);
      } else if (!state.notes.has(key)) {
        state.selectNotes([key]);
      }
      this.sound.strike(found.note.pitch, found.note.velocity);
      const kind = event.altKey ? "velocity" : found.isAtEnd ? "stretch" : "move";
      this.gesture = { kind, place, note: found.note, notes: this.chosen, isNew: false };
    } else if (this.tool === "draw" && !event.shiftKey) {
      if (!place.isInBar || this.isHeld) return;
      const { step, pitch } = place;
      this.sound.strike(pitch, this.velocity);
      this.gesture = { kind: "draw", place, pitch, start: step, length: Math.min(this.strokeAt(step), roll.end - step) };
      this.showDrawn(place);
    } else {
      this.gesture = { kind: "frame", place, before: event.shiftKey ? [...state.notes] : [] };
    }
  }

  move(event) {
    const { roll, gesture } = this;
    if (this.pointers.has(event.pointerId) && this.pointers.size === 2) {
      this.pinch(event);
      return;
    }
    const place = roll.placeOf(event);
    if (!gesture) {
      if (event.pointerType === "mouse") this.hover(place);
      return;
    }
    const { x, y } = gesture.place;
    if (!gesture.isMoved && Math.hypot(place.x - x, place.y - y) < STILL) return;
    gesture.isMoved = true;
    if (gesture.kind === "frame") {
      roll.frame = { x: Math.min(x, place.x), y: Math.min(y, place.y), width: Math.abs(place.x - x), height: Math.abs(place.y - y) };
      roll.paint();
    } else if (gesture.kind === "draw") {
      this.showDrawn(place);
    } else if (gesture.kind !== "tap") {
      roll.ghost = { notes: this.changed(gesture, place) };
      roll.paint();
    }
  }

  // The notes of a gesture as they would be, were it ended here.
  changed({ kind, notes, place: from }, place) {
    if (kind === "stretch") return this.stretched(notes, place.step - from.step);
    if (kind === "velocity") {
      const by = Math.round(from.y - place.y);
      return notes.map((note) => ({ ...plain(note), velocity: within(note.velocity + by, 1, 127) }));
    }
    const [along, up] = this.bounded(notes, place.step - from.step, place.pitch - from.pitch);
    return notes.map((note) => ({ ...plain(note), start: note.start + along, pitch: note.pitch + up }));
  }

  showDrawn(place) {
    const { gesture, roll } = this;
    if (gesture.isMoved) gesture.length = within(place.step - gesture.start + 1, 1, roll.end - gesture.start);
    const { start, pitch, length } = gesture;
    roll.ghost = { notes: [{ start, pitch, duration: length, velocity: this.velocity }], isAdded: true };
    roll.paint();
  }

  up(event) {
    const { gesture, roll, state } = this;
    this.pointers.delete(event.pointerId);
    if (!gesture) return;
    const place = roll.placeOf(event);
    const { kind, isMoved } = gesture;
    const isSecond = this.isSecondPress(place);
    this.cancel();
    if (kind === "tap") {
      if (gesture.found) state.selectNotes([keyOf(gesture.found.note)]);
      else if (state.notes.size) state.selectNotes([]);
    } else if (kind === "frame") {
      const frame = { x: Math.min(gesture.place.x, place.x), y: Math.min(gesture.place.y, place.y),
        width: Math.abs(place.x - gesture.place.x), height: Math.abs(place.y - gesture.place.y) };
      if (isMoved) state.selectNotes([...gesture.before, ...roll.notesIn(frame).map(keyOf)]);
      else if (isSecond && place.isInBar) this.toggle(place, Math.min(this.strokeAt(place.step), roll.end - place.step));
      else if (state.notes.size || state.selected >= 0) state.selectBars(-1, -1);
    } else if (kind === "draw") {
      this.put([], [{ start: gesture.start, duration: gesture.length, pitch: gesture.pitch, velocity: this.velocity }]);
    } else if (isMoved && !this.isHeld) {
      const changed = this.changed(gesture, place);
      if (kind === "move") this.sound.strike(changed[0].pitch, changed[0].velocity);
      this.put(gesture.notes, changed);
    } else if (!isMoved && isSecond && !this.isHeld) {
      this.put([gesture.note], []);
    }
  }

  isSecondPress({ x, y }) {
    const before = this.lastPress, time = performance.now();
    const isSecond = time - before.time < DOUBLE && Math.hypot(x - before.x, y - before.y) < 10;
    this.lastPress = isSecond ? { time: 0, x, y } : { time, x, y };
    return isSecond;
  }

  cancel() {
    this.gesture = null;
    this.roll.ghost = this.roll.frame = null;
    this.roll.paint();
  }

  // The right button takes a note away.
  context(event) {
    const found = this.roll.noteAt(this.roll.placeOf(event), POINTER);
    if (event.pointerType === "touch" || this.tool === "look") return;
    event.preventDefault();
    if (found && !this.isHeld) this.put([found.note], []);
  }

  hover(place) {
    const found = place.isOnKeys ? null : this.roll.noteAt(place, POINTER);
    const { canvas } = this.roll;
    canvas.classList.toggle("over-end", Boolean(found?.isAtEnd) && this.tool !== "look");
    canvas.classList.toggle("over-note", Boolean(found) && !found.isAtEnd && this.tool !== "look");
  }

  // Two fingers: what is between them stays there.
  pinch(event) {
    const { roll, pointers } = this;
    const spread = () => {
      const [a, b] = [...pointers.values()];
      return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, wide: Math.abs(a.x - b.x), high: Math.abs(a.y - b.y) };
    };
    const before = spread();
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const now = spread();
    const place = roll.canvas.getBoundingClientRect();
    if (before.wide > 40 && now.wide > 40) roll.zoom(now.wide / before.wide, Math.max(now.x - place.left, KEYS));
    if (before.high > 40 && now.high > 40) roll.zoomPitch(now.high / before.high, now.y - place.top);
    roll.box.scrollLeft += before.x - now.x;
    roll.box.scrollTop += before.y - now.y;
  }

  // ------------------------------------------------------------------ by keys

  // What a key does with notes; gives whether it did anything.
  press(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const { state } = this;
    if (event.key in moves) {
      const [along, up] = moves[event.key];
      if (state.notes.size) {
        if (event.shiftKey && along) this.stretch(along);
        else this.shift(along, event.shiftKey ? 12 * up : up);
        return true;
      }
      if (this.tool !== "draw") return false;
      this.moveCursor(along, up, event.shiftKey);
      return true;
    }
    if (event.key === "Enter" && this.roll.cursor) {
      const { cursor } = this.roll;
      this.toggle(cursor, cursor.length);
      state.selectNotes([]);   // the keys go on with the next one
      return true;
    }
    if (!state.notes.size) return false;
    const actions = {
      Delete: () => this.remove(), Backspace: () => this.remove(),
      "[": () => this.louder(-8), "]": () => this.louder(8),
    };
    if (!(event.key in actions)) return false;
    actions[event.key]();
    return true;
  }

  moveCursor(along, up, isLength) {
    const { roll } = this;
    if (!roll.end) return;
    const stroke = this.strokeAt(roll.cursor?.step ?? 0);
    roll.cursor ??= { step: 0, pitch: 60, length: stroke };
    const { cursor } = roll;
    if (isLength) cursor.length = Math.max(1, cursor.length + along);
    else cursor.step = within(cursor.step + along * stroke, 0, roll.end - 1);
    cursor.pitch = within(cursor.pitch + up, LOWEST, HIGHEST);
    roll.reveal(cursor);
    const bar = roll.starts.findLastIndex((start) => start <= cursor.step);
    $("said").textContent = `${pitchName(cursor.pitch)}, bar ${bar + 1}, step ${cursor.step - roll.starts[bar] + 1}`;
  }

  // ------------------------------------------------------------------ what is shown of it

  show() {
    const { chosen, state } = this;
    this.roll.chosen = state.notes;
    $("note-tools").hidden = !chosen.length;
    if (!chosen.length) return;
    const [first] = chosen;
    const starts = barStarts(this.roll.bars);
    const bar = starts.findLastIndex((start) => start <= first.start);
    $("note-title").textContent = chosen.length > 1 ? `${chosen.length} notes` : `${pitchName(first.pitch)}, bar ${bar + 1}`;
    const mean = Math.round(chosen.reduce((sum, { velocity }) => sum + velocity, 0) / chosen.length);
    if (document.activeElement !== $("note-velocity")) $("note-velocity").value = mean;
    $("note-velocity-now").textContent = mean;
    $("said").textContent = chosen.length > 1 ? `${chosen.length} notes selected`
      : `${pitchName(first.pitch)}, bar ${bar + 1}, ${first.duration} steps from step ${first.start - starts[bar] + 1}, loudness ${first.velocity}`;
    for (const button of $("note-tools").querySelectorAll("button")) enable(button, !this.studio.isBusy);
  }
}
