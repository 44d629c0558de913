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

// Where bars begin that follow each other from step 0, and where the last one ends.
export function barStarts(bars) {
  const starts = [0];
  for (const bar of bars) starts.push(starts.at(-1) + bar.n_steps);
  return starts;
}

// The bars' notes as the piece's: tied ones joined to those they go on from.
export function joinBars(bars) {
  const notes = [], starts = barStarts(bars);
  let open = new Map();  // pitch -> note that ends at the bar line
  bars.forEach((bar, number) => {
    const held = new Map();
    for (const [start, duration, pitch, velocity, tied] of bar.notes) {
      const before = tied && start === 0 ? open.get(pitch) : undefined;
      const note = before ?? {
        start: starts[number] + start, duration: 0, pitch, velocity, given: bar.given,
      };
      note.duration += duration;
      if (!before) notes.push(note);
      if (start + duration === bar.n_steps) held.set(pitch, note);
    }
    open = held;
  });
  return notes.sort((a, b) => a.start - b.start || a.pitch - b.pitch);
}

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
    pen.fillStyle = shade(note.given ? COLOURS.given : COLOURS.written, note.velocity);
    pen.fillRect(note.start * step, (high - note.pitch) * row,
      Math.max(note.duration * step - 0.5, 1), Math.max(row - 0.3, 1.5));
  }
}

export class Roll {
  constructor({ box, space, ruler, canvas }) {
    Object.assign(this, { box, space, ruler, canvas });
    this.bars = [];        // as the server gives them: each with its metre, n_steps and beat
    this.usual = null;     // the metre that need not be named, where a model knows one only
    this.stepWidth = 9;
    this.fits = true;
    this.selected = -1;
    this.locked = () => false;
    this.playhead = null;
    this.drawing = null;   // {bars, notes, cursor} while notes are drawn, into bars without notes
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

  get shown() { return this.drawing?.bars ?? this.bars; }
  get starts() { return barStarts(this.shown); }
  get end() { return this.starts.at(-1); }

  show(bars, usual) {
    const grew = barStarts(bars).at(-1) !== barStarts(this.bars).at(-1);
    Object.assign(this, { bars, usual });
    this.notes = joinBars(bars);
    if (this.fits && grew) this.fit(); else this.layout();
  }

  // Of each bar the metre where it begins to be another, else "". One that is always there has no name.
  get metreNames() {
    const metres = this.shown.map((bar) => bar.metre);
    if (metres.every((metre) => metre === this.usual)) return metres.map(() => "");
    return metres.map((metre, number) => (metre === metres[number - 1] ? "" : metre));
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
    const total = KEYS + this.end * this.stepWidth + 8;
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
    const steps = this.end || 16;
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
    const wanted = this.drawing ? 0 : this.bars.length;
    const { starts, metreNames } = this;
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
      const barWidth = bar.n_steps * this.stepWidth;
      button.style.left = `${KEYS + starts[number] * this.stepWidth + 1}px`;
      button.style.width = `${Math.max(barWidth - 2, 8)}px`;
      label.textContent = barWidth > 22 || number % 4 === 0 ? number + 1 : "";
      button.className = `${bar.given ? "given" : ""} ${isLocked ? "locked" : ""}`;
      button.setAttribute("aria-pressed", String(number === this.selected));
      const says = (metreNames[number] && `in ${bar.metre} from here, `) + describe(bar);
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
    this.paintMetres(pen);
    this.paintPlayhead(pen, height);
    this.paintKeys(pen, height);
  }

  xOf(step) { return this.left + step * this.stepWidth; }
  yOf(pitch) { return this.topY + (this.high - pitch) * this.rowHeight; }

  paintGround(pen, width, height) {
    const { starts, shown } = this;
    const end = this.xOf(starts.at(-1));
    const given = this.drawing ? shown.length : shown.filter((bar) => bar.given).length;
    pen.fillStyle = "#fdf6ee";
    pen.fillRect(this.xOf(0), 0, starts[given] * this.stepWidth, height);
    const selected = this.drawing ? undefined : shown[this.selected];
    if (selected) {
      pen.fillStyle = "#e3f0f4aa";
      pen.fillRect(this.xOf(starts[this.selected]), 0, selected.n_steps * this.stepWidth, height);
    }
    pen.fillStyle = "#1f30380d";
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      if (BLACK.has(pitch % 12)) pen.fillRect(KEYS, this.yOf(pitch), end - KEYS, this.rowHeight);
    }
    for (const { step, kind } of this.lines) {
      const x = Math.round(this.xOf(step));
      if (x + 0.5 < KEYS || x + 0.5 > width) continue;
      pen.fillStyle = { bar: "#b4bac0", beat: "#e3e5e7", step: "#f1f1f1" }[kind];
      pen.fillRect(x, 0, 1, height);
    }
  }

  // Lines of bars, of their beats where there is room, and of steps where notes are drawn.
  get lines() {
    const { starts } = this, found = [];
    const within = (start, bar, apart, kind) => {
      for (let step = apart; step < bar.n_steps; step += apart) found.push({ step: start + step, kind });
    };
    this.shown.forEach((bar, number) => {
      if (this.drawing && this.stepWidth > 8) within(starts[number], bar, 1, "step");
      if (this.stepWidth > 3.5) within(starts[number], bar, bar.beat, "beat");
    });
    return [...found, ...starts.map((step) => ({ step, kind: "bar" }))];
  }

  // Each metre where it begins, above the notes; where there is no room, it stays away.
  paintMetres(pen) {
    const { starts } = this;
    let free = -Infinity;
    pen.font = "600 10px system-ui, sans-serif";
    pen.textBaseline = "top";
    this.metreNames.forEach((name, number) => {
      const x = this.xOf(starts[number]) + 3;
      if (!name || x < free) return;
      free = x + pen.measureText(name).width + 2;
      pen.fillStyle = "#59646b";
      pen.fillText(name, x, 3);
    });
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
    const inside = event.clientX - box.left >= KEYS && step >= 0 && step < this.end;
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
