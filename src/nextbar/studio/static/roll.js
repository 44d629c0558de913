// The piano roll as it is seen: a canvas as large as what is seen, inside a box that scrolls; a
// button for each bar above it, the keys at its left. What is done with the notes is in edit.js.

import { element, icon } from "./page.js";
import { barStarts, HIGHEST, joinBars, keyOf, LOWEST } from "./piece.js";
import { colours, shade } from "./theme.js";

export const KEYS = 52, RULER = 34;
const BLACK = new Set([1, 3, 6, 8, 10]);
const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const FEWEST_ROWS = 22, LEAST_ROW = 3.2, MOST_ROW = 26, LEAST_STEP = 1.2, MOST_STEP = 60;

export function pitchName(pitch) {
  return NAMES[pitch % 12] + (Math.floor(pitch / 12) - 1);
}

const within = (value, low, high) => Math.min(Math.max(value, low), high);

// A small picture of some bars, for cards and the tray.
export function drawSmall(canvas, bars) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth || 84, height = canvas.clientHeight || 52;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const notes = joinBars(bars);
  const pitches = notes.map((note) => note.pitch);
  const low = Math.min(...pitches, 60) - 2, high = Math.max(...pitches, 72) + 2;
  const row = height / (high - low + 1), step = width / Math.max(barStarts(bars).at(-1), 1);
  for (const note of notes) {
    pen.fillStyle = shade(note.given ? "mine" : "written", note.velocity);
    pen.fillRect(note.start * step, (high - note.pitch) * row,
      Math.max(note.duration * step - 0.5, 1), Math.max(row - 0.3, 1.5));
  }
}

export class Roll {
  constructor({ box, space, ruler, canvas }) {
    Object.assign(this, { box, space, ruler, canvas });
    this.low = LOWEST;
    this.high = HIGHEST;
    this.bars = [];        // as the server gives them: each with its metre, n_steps and beat
    this.notes = [];
    this.usual = null;     // the metre that need not be named, where a model knows one only
    this.stepWidth = 9;
    this.rowHeight = 12;
    this.fits = true;      // whether all is to be seen; a zoom by hand ends that
    this.range = [-1, -1]; // the selected bars
    this.chosen = new Set();  // the selected notes, as keyOf gives them
    this.locked = () => false;
    this.playhead = null;
    this.ghost = null;     // notes on their way to be set, in the place of the chosen ones
    this.frame = null;     // a rubber band: {x, y, width, height}
    this.cursor = null;    // where the keys would set a note: {step, pitch, length}
    this.onselect = () => {};
    this.onrange = () => {};
    this.onlayout = () => {};
    box.addEventListener("scroll", () => { this.paint(); this.onlayout(); });
    new ResizeObserver(() => { if (this.fits) this.fit(); else this.layout(); }).observe(box);
    box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.watchRuler();
  }

  get starts() { return barStarts(this.bars); }
  get end() { return this.starts.at(-1); }

  show(bars, usual) {
    const grew = barStarts(bars).at(-1) !== this.end;
    Object.assign(this, { bars, usual });
    this.notes = joinBars(bars);
    if (this.fits && (grew || this.isHidden)) this.fit(); else this.layout();
  }

  // Of each bar the metre where it begins to be another, else "". One that is always there has no name.
  get metreNames() {
    const metres = this.bars.map((bar) => bar.metre);
    if (metres.every((metre) => metre === this.usual)) return metres.map(() => "");
    return metres.map((metre, number) => (metre === metres[number - 1] ? "" : metre));
  }

  // ------------------------------------------------------------------ what is where

  // The pitches to be seen: those of the notes with some room, and never few.
  get pitches() {
    let low = HIGHEST, high = LOWEST;
    for (const { pitch } of this.notes) {
      low = Math.min(low, pitch);
      high = Math.max(high, pitch);
    }
    if (low > high) [low, high] = [57, 77];
    const missing = Math.max(0, FEWEST_ROWS - (high - low + 5));
    low -= 2 + Math.floor(missing / 2);
    high += 2 + Math.ceil(missing / 2);
    return [Math.max(LOWEST, low - Math.max(0, high - HIGHEST)), Math.min(HIGHEST, high + Math.max(0, LOWEST - low))];
  }

  get height() { return Math.max(this.box.clientHeight - RULER, 1); }

  // Whether a note lies above or below what is seen.
  get isHidden() {
    const top = this.box.scrollTop, bottom = top + this.height;
    return this.notes.some(({ pitch }) => {
      const y = (HIGHEST - pitch) * this.rowHeight;
      return y < top - 1 || y + this.rowHeight > bottom + 1;
    });
  }

  layout() {
    const { clientWidth: width } = this.box;
    const rows = HIGHEST - LOWEST + 1;
    const total = KEYS + this.end * this.stepWidth + 40;
    this.space.style.width = `${Math.max(total, width)}px`;
    this.space.style.height = `${RULER + Math.max(rows * this.rowHeight, this.height)}px`;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(this.height * scale);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${this.height}px`;
    this.placeBars();
    this.paint();
    this.onlayout();
  }

  // All bars in the width, all pitches in the height.
  fit() {
    this.fits = true;
    const [low, high] = this.pitches;
    this.stepWidth = within((this.box.clientWidth - KEYS - 12) / (this.end || 128), LEAST_STEP, 26);
    this.rowHeight = within(this.height / (high - low + 1), LEAST_ROW, MOST_ROW);
    this.layout();
    const seen = this.height / this.rowHeight, wanted = high - low + 1;
    this.box.scrollTop = (HIGHEST - high - Math.max(0, seen - wanted) / 2) * this.rowHeight;
    this.box.scrollLeft = 0;
    this.paint();
  }

  zoom(by, atX = this.box.clientWidth / 2) {
    this.fits = false;
    const step = (this.box.scrollLeft + atX - KEYS) / this.stepWidth;
    this.stepWidth = within(this.stepWidth * by, LEAST_STEP, MOST_STEP);
    this.layout();
    this.box.scrollLeft = step * this.stepWidth + KEYS - atX;
  }

  zoomPitch(by, atY = this.height / 2) {
    this.fits = false;
    const row = (this.box.scrollTop + atY) / this.rowHeight;
    this.rowHeight = within(this.rowHeight * by, LEAST_ROW, MOST_ROW);
    this.layout();
    this.box.scrollTop = row * this.rowHeight - atY;
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) return;
    event.preventDefault();
    const by = event.deltaY < 0 ? 1.15 : 1 / 1.15;
    const place = this.canvas.getBoundingClientRect();
    if (event.altKey) this.zoomPitch(by, event.clientY - place.top);
    else this.zoom(by, event.clientX - place.left);
  }

  xOf(step) { return KEYS - this.box.scrollLeft + step * this.stepWidth; }
  yOf(pitch) { return (this.high - pitch) * this.rowHeight - this.box.scrollTop; }

  // Where a pointer is on the canvas: x and y, the step and pitch there (also outside of the bars),
  // whether it is over the keys and whether it is in a bar.
  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const step = Math.floor((x - this.xOf(0)) / this.stepWidth);
    const pitch = this.high - Math.floor((y + this.box.scrollTop) / this.rowHeight);
    const isOnKeys = x < KEYS;
    return { x, y, step, pitch, isOnKeys, isInBar: !isOnKeys && step >= 0 && step < this.end && pitch >= this.low && pitch <= this.high };
  }

  // The note at a place, and whether it is near its end, where it is stretched. reach: of a finger
  // or a pointer, in pixels.
  noteAt({ x, y }, reach) {
    let found = null, nearest = Infinity;
    for (const note of this.notes) {
      const left = this.xOf(note.start), width = Math.max(note.duration * this.stepWidth, 2);
      const top = this.yOf(note.pitch);
      const beside = Math.max(left - x, x - left - width, 0), above = Math.max(top - y, y - top - this.rowHeight, 0);
      if (beside > reach / 2 || above > reach / 2) continue;
      const apart = beside + above;
      if (apart >= nearest) continue;
      nearest = apart;
      found = { note, isAtEnd: x > left + width - Math.min(reach + 3, width * 0.35) };
    }
    return found;
  }

  notesIn({ x, y, width, height }) {
    return this.notes.filter((note) => {
      const left = this.xOf(note.start), top = this.yOf(note.pitch);
      return left < x + width && left + note.duration * this.stepWidth > x && top < y + height && top + this.rowHeight > y;
    });
  }

  // ------------------------------------------------------------------ the bars' buttons

  // By these bars are chosen with mouse, touch and keys; several by dragging over them.
  watchRuler() {
    let first = -1, isDragged = false;
    const barAt = (event) => {
      const x = event.clientX - this.ruler.getBoundingClientRect().left - KEYS;
      const { starts } = this;
      const bar = starts.findLastIndex((start) => start * this.stepWidth <= x);
      return within(bar, 0, this.bars.length - 1);
    };
    this.ruler.addEventListener("pointerdown", (event) => {
      if (event.button || !event.target.closest("button")) return;
      first = event.shiftKey && this.range[0] >= 0 ? this.range[0] : barAt(event);
      isDragged = event.shiftKey && this.range[0] >= 0;
      if (isDragged) this.onrange(first, barAt(event));
    });
    this.ruler.addEventListener("pointermove", (event) => {
      if (first < 0) return;
      const bar = barAt(event);
      if (bar === first && !isDragged) return;
      isDragged = true;
      this.ruler.setPointerCapture(event.pointerId);
      this.onrange(first, bar);
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      addEventListener(kind, () => { first = -1; });
    }
    this.ruler.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button && !isDragged) this.onselect([...this.ruler.children].indexOf(button));
      isDragged = false;
    });
  }

  placeBars() {
    const wanted = this.bars.length;
    const { starts, metreNames, ruler } = this;
    while (ruler.children.length > wanted) ruler.lastChild.remove();
    while (ruler.children.length < wanted) {
      const mark = element("span", { class: "nearness" }, element("i"));
      ruler.append(element("button", {}, element("span"), icon("lock"), mark));
    }
    this.bars.forEach((bar, number) => {
      const button = ruler.children[number];
      const isLocked = this.locked(number);
      const barWidth = bar.n_steps * this.stepWidth;
      // To touch a button costs more than to find that nothing of it has changed.
      const isChosen = number >= this.range[0] && number <= this.range[1];
      const looks = `${starts[number] * this.stepWidth} ${barWidth} ${isLocked} ${isChosen} ${metreNames[number]}`;
      if (button.looks === looks && button.bar === bar) return;
      Object.assign(button, { looks, bar });
      const [label, lock, mark] = button.children;
      button.style.left = `${KEYS + starts[number] * this.stepWidth + 1}px`;
      button.style.width = `${Math.max(barWidth - 2, 8)}px`;
      const hasRoom = barWidth > (isLocked ? 34 : 22);
      label.textContent = hasRoom || (number % 4 === 0 && !isLocked) ? number + 1 : "";
      button.className = bar.given || bar.own ? "given" : "";
      lock.classList.toggle("away", !isLocked || barWidth < 12);
      button.setAttribute("aria-pressed", String(isChosen));
      const says = (metreNames[number] && `in ${bar.metre} from here, `) + describe(bar);
      button.setAttribute("aria-label", `Bar ${number + 1}, ${says}${isLocked ? ", locked" : ""}`);
      button.title = `Bar ${number + 1}: ${says}`;
      mark.hidden = bar.nearness === undefined || bar.nearness === null;
      mark.className = `nearness ${bar.is_copy ? "copy" : bar.is_near ? "near" : ""}`;
      mark.firstChild.style.width = `${100 * (bar.nearness ?? 0)}%`;
    });
  }

  // ------------------------------------------------------------------ painting

  paint() {
    const pen = this.canvas.getContext("2d");
    const scale = window.devicePixelRatio || 1;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    const width = this.canvas.width / scale, height = this.canvas.height / scale;
    pen.fillStyle = colours.outside;
    pen.fillRect(0, 0, width, height);
    this.paintGround(pen, width, height);
    this.paintNotes(pen, width);
    this.paintMetres(pen);
    this.paintPlayhead(pen, height);
    this.paintKeys(pen, height);
  }

  paintGround(pen, width, height) {
    const { starts, bars } = this;
    const left = this.xOf(0), end = this.xOf(starts.at(-1));
    pen.fillStyle = colours.ground;
    pen.fillRect(left, 0, end - left, height);
    bars.forEach((bar, number) => {
      if (!bar.given && !bar.own) return;
      pen.fillStyle = colours.groundMine;
      pen.fillRect(this.xOf(starts[number]), 0, bar.n_steps * this.stepWidth, height);
    });
    const [first, last] = this.range;
    if (first >= 0 && last < bars.length) {
      pen.fillStyle = colours.selected;
      pen.fillRect(this.xOf(starts[first]), 0, (starts[last + 1] - starts[first]) * this.stepWidth, height);
    }
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      const y = this.yOf(pitch);
      if (y > height || y + this.rowHeight < 0) continue;
      if (BLACK.has(pitch % 12)) {
        pen.fillStyle = colours.blackRow;
        pen.fillRect(left, y, end - left, this.rowHeight);
      } else if (pitch % 12 === 0 || pitch % 12 === 5) {
        pen.fillStyle = pitch % 12 ? colours.step : colours.beat;
        pen.fillRect(left, Math.round(y + this.rowHeight) - 1, end - left, 1);
      }
    }
    for (const { step, kind } of this.lines) {
      const x = Math.round(this.xOf(step));
      if (x + 0.5 < KEYS || x + 0.5 > width) continue;
      pen.fillStyle = colours[kind];
      pen.fillRect(x, 0, 1, height);
    }
  }

  // Lines of bars, and of their beats and steps where there is room.
  get lines() {
    const { starts } = this, found = [];
    const every = (start, bar, apart, kind) => {
      for (let step = apart; step < bar.n_steps; step += apart) found.push({ step: start + step, kind });
    };
    this.bars.forEach((bar, number) => {
      if (this.stepWidth > 11) every(starts[number], bar, 1, "step");
      if (this.stepWidth > 3.5) every(starts[number], bar, bar.beat, "beat");
    });
    return [...found, ...starts.map((step) => ({ step, kind: "bar" }))];
  }

  // Each metre where it begins, above the notes; where there is no room, it stays away.
  paintMetres(pen) {
    const { starts } = this;
    let free = -Infinity;
    pen.font = "600 10px system-ui, sans-serif";
    pen.textBaseline = "top";
    pen.textAlign = "left";
    this.metreNames.forEach((name, number) => {
      const x = this.xOf(starts[number]) + 3;
      if (!name || x < free) return;
      free = x + pen.measureText(name).width + 2;
      pen.fillStyle = colours.quiet;
      pen.fillText(name, x, 3);
    });
  }

  paintNotes(pen, width) {
    for (const note of this.notes) {
      const isChosen = this.chosen.has(keyOf(note));
      if (this.ghost && isChosen && !this.ghost.isAdded) continue;
      this.paintNote(pen, width, note, isChosen);
    }
    for (const note of this.ghost?.notes ?? []) this.paintNote(pen, width, { ...note, given: true }, true);
    if (this.cursor) {
      pen.strokeStyle = colours.ink;
      pen.lineWidth = 2;
      const { step, pitch, length } = this.cursor;
      pen.strokeRect(this.xOf(step), this.yOf(pitch), length * this.stepWidth, this.rowHeight);
    }
    if (this.frame) {
      const { x, y, width: w, height: h } = this.frame;
      pen.fillStyle = colours.selected;
      pen.fillRect(x, y, w, h);
      pen.strokeStyle = colours.accent;
      pen.lineWidth = 1;
      pen.strokeRect(x + 0.5, y + 0.5, w, h);
    }
  }

  paintNote(pen, width, note, isChosen) {
    const x = this.xOf(note.start), w = note.duration * this.stepWidth;
    if (x + w < KEYS || x > width) return;
    const gap = Math.min(0.75, this.rowHeight / 10);
    pen.fillStyle = shade(note.given ? "mine" : "written", note.velocity);
    if (w < 5 && !isChosen) {   // too small for round corners, of which many take long
      pen.fillRect(x + gap, this.yOf(note.pitch) + gap, Math.max(w - 2 * gap, 1.5), this.rowHeight - 2 * gap);
      return;
    }
    pen.beginPath();
    pen.roundRect(x + gap, this.yOf(note.pitch) + gap, Math.max(w - 2 * gap, 2),
      this.rowHeight - 2 * gap, Math.min(3, this.rowHeight / 3));
    pen.fill();
    const sounds = this.playhead !== null && this.playhead >= note.start && this.playhead < note.start + note.duration;
    if (!sounds && !isChosen) return;
    pen.strokeStyle = colours.ink;
    pen.lineWidth = isChosen ? 2 : 1.5;
    pen.stroke();
  }

  paintPlayhead(pen, height) {
    if (this.playhead === null) return;
    pen.fillStyle = colours.playhead;
    pen.fillRect(this.xOf(this.playhead) - 1, 0, 2, height);
  }

  // The keys as they are on a piano: white ones meet behind the black ones, and those that sound are lit.
  paintKeys(pen, height) {
    const lit = new Set();
    if (this.playhead !== null) {
      for (const note of this.notes) {
        if (this.playhead >= note.start && this.playhead < note.start + note.duration) lit.add(note.pitch);
      }
    }
    const { rowHeight: row } = this;
    pen.fillStyle = colours.keyGap;
    pen.fillRect(0, 0, KEYS, height);
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      const y = this.yOf(pitch);
      if (BLACK.has(pitch % 12) || y > height + row || y < -2 * row) continue;
      // Half of each black neighbour belongs to it as well.
      const above = pitch < this.high && BLACK.has((pitch + 1) % 12) ? row / 2 : 0;
      const below = pitch > this.low && BLACK.has((pitch + 11) % 12) ? row / 2 : 0;
      pen.fillStyle = lit.has(pitch) ? colours.lit : colours.whiteKey;
      pen.fillRect(0, y - above, KEYS, row + above + below - Math.min(1, row / 8));
    }
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      if (!BLACK.has(pitch % 12)) continue;
      pen.fillStyle = lit.has(pitch) ? colours.lit : colours.blackKey;
      pen.fillRect(0, this.yOf(pitch) + Math.min(0.5, row / 10), KEYS * 0.6, row - Math.min(1, row / 5));
    }
    pen.font = `${within(row, 9, 11)}px system-ui, sans-serif`;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    pen.fillStyle = colours.keyName;
    for (let pitch = 24; pitch <= this.high; pitch += 12) {
      pen.fillText(pitchName(pitch), KEYS - 5, this.yOf(pitch) + row / 2);
    }
    pen.fillStyle = colours.bar;
    pen.fillRect(KEYS - 1, 0, 1, height);
  }

  // Keeps the playhead in sight.
  follow(step) {
    this.playhead = step;
    const x = this.xOf(step);
    if (x > this.box.clientWidth - 30 || x < KEYS) {
      this.box.scrollLeft = Math.max(0, step * this.stepWidth - 40);
    }
    this.paint();
  }

  // Keeps a place in sight, as where the keys have gone.
  reveal({ step, pitch }) {
    const x = this.xOf(step), y = this.yOf(pitch);
    if (x < KEYS || x > this.box.clientWidth - 30) this.box.scrollLeft = step * this.stepWidth - 60;
    if (y < 0 || y + this.rowHeight > this.height) {
      this.box.scrollTop = (HIGHEST - pitch) * this.rowHeight - this.height / 2;
    }
    this.paint();
  }
}

// What a bar is, in words.
export function describe(bar) {
  if (bar.own && !bar.notes.length) return "empty";
  if (bar.own) return "yours";
  if (bar.given) return "given";
  const n = bar.notes.length;
  const made = n ? `${n} ${n === 1 ? "note" : "notes"}` : "silent";
  if (bar.nearness === null || bar.nearness === undefined) return made;
  if (bar.is_copy) return `${made}, a copy of ${bar.near}`;
  if (!bar.near) return `${made}, near to no training bar`;
  return `${made}, ${Math.round(100 * bar.nearness)} % of it stands in ${bar.near}`;
}
