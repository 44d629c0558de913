// The piano roll: a canvas as large as what is seen, inside a box that scrolls.

export const COLOURS = { given: [178, 94, 29], written: [26, 100, 128] };
const KEYS = 46, RULER = 34, BLACK = new Set([1, 3, 6, 8, 10]);
const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];

export function pitchName(pitch) {
  return NAMES[pitch % 12] + (Math.floor(pitch / 12) - 1);
}

// Louder notes are darker.
export function shade(rgb, velocity) {
  const strength = 0.38 + 0.62 * (velocity / 127);
  return `rgb(${rgb.map((c) => Math.round(255 - strength * (255 - c))).join()})`;
}

// The bars' notes as the piece's: tied ones joined to those they go on from.
export function joinBars(bars, nSteps) {
  const notes = [];
  let open = new Map();  // pitch -> note that ends at the bar line
  bars.forEach((bar, number) => {
    const held = new Map();
    for (const [start, duration, pitch, velocity, tied] of bar.notes) {
      const before = tied && start === 0 ? open.get(pitch) : undefined;
      const note = before ?? {
        start: number * nSteps + start, duration: 0, pitch, velocity, given: bar.given,
      };
      note.duration += duration;
      if (!before) notes.push(note);
      if (start + duration === nSteps) held.set(pitch, note);
    }
    open = held;
  });
  return notes.sort((a, b) => a.start - b.start || a.pitch - b.pitch);
}

// A small picture of some bars, for cards and the tray.
export function drawSmall(canvas, bars, nSteps) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth || 84, height = canvas.clientHeight || 52;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const notes = joinBars(bars, nSteps);
  const pitches = notes.map((note) => note.pitch);
  const low = Math.min(...pitches, 60) - 2, high = Math.max(...pitches, 72) + 2;
  const row = height / (high - low + 1), step = width / (Math.max(bars.length, 1) * nSteps);
  for (const note of notes) {
    pen.fillStyle = shade(note.given ? COLOURS.given : COLOURS.written, note.velocity);
    pen.fillRect(note.start * step, (high - note.pitch) * row,
      Math.max(note.duration * step - 0.5, 1), Math.max(row - 0.3, 1.5));
  }
}

export class Roll {
  constructor({ box, space, ruler, canvas }) {
    Object.assign(this, { box, space, ruler, canvas });
    this.bars = [];
    this.nSteps = 16;
    this.perQuarter = 4;
    this.stepWidth = 9;
    this.fits = true;
    this.selected = -1;
    this.locked = () => false;
    this.playhead = null;
    this.drawing = null;   // {bars, notes, cursor} while notes are drawn
    this.onselect = () => {};
    box.addEventListener("scroll", () => this.paint());
    new ResizeObserver(() => { if (this.fits) this.fit(); else this.layout(); }).observe(box);
    box.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event.offsetX);
    }, { passive: false });
    this.watchPinch();
  }

  get nBars() { return this.drawing ? this.drawing.bars : this.bars.length; }

  show(bars, { nSteps, perQuarter }) {
    const grew = bars.length !== this.bars.length;
    Object.assign(this, { bars, nSteps, perQuarter });
    this.notes = joinBars(bars, nSteps);
    if (this.fits && grew) this.fit(); else this.layout();
  }

  range() {
    if (this.drawing) return [48, 84];
    const pitches = this.notes?.map((note) => note.pitch) ?? [];
    let low = Math.min(...pitches, 120), high = Math.max(...pitches, 0);
    if (low > high) [low, high] = [57, 79];
    const missing = Math.max(0, 23 - (high - low + 4));
    return [Math.max(21, low - 2 - Math.floor(missing / 2)), Math.min(108, high + 2 + Math.ceil(missing / 2))];
  }

  layout() {
    const { clientWidth: width, clientHeight: height } = this.box;
    [this.low, this.high] = this.range();
    const rows = this.high - this.low + 1;
    this.rowHeight = Math.max(9, (height - RULER) / rows);
    const total = KEYS + this.nBars * this.nSteps * this.stepWidth + 8;
    this.space.style.width = `${Math.max(total, width)}px`;
    this.space.style.height = `${RULER + rows * this.rowHeight}px`;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round((height - RULER) * scale);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height - RULER}px`;
    this.placeBars();
    this.paint();
  }

  fit() {
    this.fits = true;
    const steps = Math.max(this.nBars, 1) * this.nSteps;
    this.stepWidth = Math.min(Math.max((this.box.clientWidth - KEYS - 10) / steps, 2.6), 26);
    this.layout();
  }

  zoom(by, atX = this.box.clientWidth / 2) {
    this.fits = false;
    const step = (this.box.scrollLeft + atX - KEYS) / this.stepWidth;
    this.stepWidth = Math.min(Math.max(this.stepWidth * by, 1.2), 60);
    this.layout();
    this.box.scrollLeft = step * this.stepWidth + KEYS - atX;
  }

  watchPinch() {
    const touches = new Map();
    let apart = 0;
    const distance = () => {
      const [a, b] = [...touches.values()];
      return Math.abs(a - b);
    };
    this.box.addEventListener("touchstart", (event) => {
      for (const touch of event.changedTouches) touches.set(touch.identifier, touch.clientX);
      if (touches.size === 2) apart = distance();
    }, { passive: true });
    this.box.addEventListener("touchmove", (event) => {
      for (const touch of event.changedTouches) touches.set(touch.identifier, touch.clientX);
      if (touches.size !== 2 || this.drawing) return;
      event.preventDefault();
      const now = distance();
      if (apart > 20 && now > 20) this.zoom(now / apart);
      apart = now;
    }, { passive: false });
    for (const end of ["touchend", "touchcancel"]) {
      this.box.addEventListener(end, (event) => {
        for (const touch of event.changedTouches) touches.delete(touch.identifier);
      }, { passive: true });
    }
  }

  // A button for each bar, in the ruler: by these bars are chosen with mouse, touch and keys.
  placeBars() {
    const barWidth = this.nSteps * this.stepWidth;
    const wanted = this.drawing ? 0 : this.bars.length;
    while (this.ruler.children.length > wanted) this.ruler.lastChild.remove();
    while (this.ruler.children.length < wanted) {
      const button = document.createElement("button");
      const number = this.ruler.children.length;
      const label = document.createElement("span");
      const mark = document.createElement("span");
      mark.className = "nearness";
      mark.append(document.createElement("i"));
      button.append(label, mark);
      button.addEventListener("click", () => this.onselect(number));
      this.ruler.append(button);
    }
    this.bars.slice(0, wanted).forEach((bar, number) => {
      const button = this.ruler.children[number];
      const [label, mark] = button.children;
      const isLocked = this.locked(number);
      button.style.left = `${KEYS + number * barWidth + 1}px`;
      button.style.width = `${Math.max(barWidth - 2, 8)}px`;
      label.textContent = barWidth > 22 || number % 4 === 0 ? number + 1 : "";
      button.className = `${bar.given ? "given" : ""} ${isLocked ? "locked" : ""}`;
      button.setAttribute("aria-pressed", String(number === this.selected));
      const says = describe(bar);
      button.setAttribute("aria-label", `Bar ${number + 1}, ${says}${isLocked ? ", locked" : ""}`);
      button.title = `Bar ${number + 1}: ${says}`;
      mark.hidden = bar.nearness === undefined || bar.nearness === null;
      mark.className = `nearness ${bar.is_copy ? "copy" : bar.is_near ? "near" : ""}`;
      mark.firstChild.style.width = `${100 * (bar.nearness ?? 0)}%`;
    });
  }

  paint() {
    const pen = this.canvas.getContext("2d");
    const scale = window.devicePixelRatio || 1;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    const width = this.canvas.width / scale, height = this.canvas.height / scale;
    pen.clearRect(0, 0, width, height);
    this.left = KEYS - this.box.scrollLeft;
    this.topY = -this.box.scrollTop;
    this.paintGround(pen, width, height);
    this.paintNotes(pen, width);
    this.paintPlayhead(pen, height);
    this.paintKeys(pen, height);
  }

  xOf(step) { return this.left + step * this.stepWidth; }
  yOf(pitch) { return this.topY + (this.high - pitch) * this.rowHeight; }

  paintGround(pen, width, height) {
    const end = this.xOf(this.nBars * this.nSteps);
    const given = this.drawing ? this.nBars : this.bars.filter((bar) => bar.given).length;
    pen.fillStyle = "#fdf6ee";
    pen.fillRect(this.xOf(0), 0, given * this.nSteps * this.stepWidth, height);
    if (this.selected >= 0 && !this.drawing) {
      pen.fillStyle = "#e3f0f4aa";
      pen.fillRect(this.xOf(this.selected * this.nSteps), 0, this.nSteps * this.stepWidth, height);
    }
    pen.fillStyle = "#1f30380d";
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      if (BLACK.has(pitch % 12)) pen.fillRect(KEYS, this.yOf(pitch), end - KEYS, this.rowHeight);
    }
    for (let step = 0; step <= this.nBars * this.nSteps; step++) {
      const x = Math.round(this.xOf(step)) + 0.5;
      if (x < KEYS || x > width) continue;
      const isBar = step % this.nSteps === 0;
      const isBeat = step % this.perQuarter === 0;
      if (!isBar && !(isBeat && this.stepWidth > 3.5) && !(this.drawing && this.stepWidth > 8)) continue;
      pen.fillStyle = isBar ? "#b4bac0" : isBeat ? "#e3e5e7" : "#f1f1f1";
      pen.fillRect(x - 0.5, 0, 1, height);
    }
  }

  paintNotes(pen, width) {
    const notes = this.drawing ? this.drawing.notes : this.notes ?? [];
    for (const note of notes) {
      const x = this.xOf(note.start), w = note.duration * this.stepWidth;
      if (x + w < KEYS || x > width) continue;
      const rgb = this.drawing || note.given ? COLOURS.given : COLOURS.written;
      pen.fillStyle = shade(rgb, note.velocity);
      pen.beginPath();
      pen.roundRect(x + 0.75, this.yOf(note.pitch) + 0.75, Math.max(w - 1.5, 2),
        this.rowHeight - 1.5, Math.min(3, this.rowHeight / 3));
      pen.fill();
      if (this.playhead !== null && this.playhead >= note.start && this.playhead < note.start + note.duration) {
        pen.strokeStyle = "#16262e";
        pen.lineWidth = 1.5;
        pen.stroke();
      }
    }
    const cursor = this.drawing?.cursor;
    if (cursor) {
      pen.strokeStyle = "#22292d";
      pen.lineWidth = 2;
      pen.strokeRect(this.xOf(cursor.step), this.yOf(cursor.pitch), cursor.length * this.stepWidth, this.rowHeight);
    }
  }

  paintPlayhead(pen, height) {
    if (this.playhead === null) return;
    pen.fillStyle = "#c2410c";
    pen.fillRect(this.xOf(this.playhead) - 1, 0, 2, height);
  }

  paintKeys(pen, height) {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, KEYS, height);
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      const y = this.yOf(pitch);
      if (BLACK.has(pitch % 12)) {
        pen.fillStyle = "#3a444a";
        pen.fillRect(0, y + 0.5, KEYS * 0.58, this.rowHeight - 1);
      } else {
        pen.fillStyle = "#d5d8da";
        pen.fillRect(0, y + this.rowHeight - 0.5, KEYS, 1);
      }
      if (pitch % 12 === 0) {
        pen.fillStyle = "#59646b";
        pen.font = "11px system-ui, sans-serif";
        pen.textBaseline = "middle";
        pen.fillText(pitchName(pitch), KEYS - 22, y + this.rowHeight / 2);
      }
    }
    pen.fillStyle = "#b4bac0";
    pen.fillRect(KEYS - 1, 0, 1, height);
  }

  // Keeps the playhead in sight.
  follow(step) {
    this.playhead = step;
    const x = KEYS + step * this.stepWidth - this.box.scrollLeft;
    if (x > this.box.clientWidth - 30 || x < KEYS) {
      this.box.scrollLeft = Math.max(0, step * this.stepWidth - 40);
    }
    this.paint();
  }

  // The cell under a pointer: {step, pitch}, or null outside of the bars.
  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const step = Math.floor((event.clientX - box.left - this.left) / this.stepWidth);
    const pitch = this.high - Math.floor((event.clientY - box.top - this.topY) / this.rowHeight);
    const inside = event.clientX - box.left >= KEYS && step >= 0 && step < this.nBars * this.nSteps;
    return inside && pitch >= this.low && pitch <= this.high ? { step, pitch } : null;
  }
}

// What a bar is, in words.
export function describe(bar) {
  if (bar.given) return "given";
  const n = bar.notes.length;
  const made = n ? `${n} ${n === 1 ? "note" : "notes"}` : "silent";
  if (bar.nearness === null || bar.nearness === undefined) return made;
  if (bar.is_copy) return `${made}, a copy of ${bar.near}`;
  if (!bar.near) return `${made}, near to no training bar`;
  return `${made}, ${Math.round(100 * bar.nearness)} % of it stands in ${bar.near}`;
}
