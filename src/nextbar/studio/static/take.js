// What somebody plays, as notes on the grid. Times are in steps from the first bar line, whole or not;
// a note begins at the step that is nearest, and lasts at least one.

import { cutNote, endEachAtNext, HIGHEST, LOWEST } from "./piece.js";

export class Take {
  #notes = [];           // {pitch, velocity, start, end}; end is null while the key is held
  #held = new Map();     // pitch -> its note

  // from: the step before which nothing is kept, and until: from which on nothing is.
  constructor(from, until = Infinity) {
    Object.assign(this, { from, until });
  }

  // Whether a note begins between two steps.
  has(first, end) { return this.#notes.some(({ start }) => start >= first && start < end); }

  // Gives whether the note is kept.
  down(pitch, velocity, step) {
    const start = Math.round(step);
    if (start < this.from || start >= this.until || pitch < LOWEST || pitch > HIGHEST) return false;
    this.up(pitch, step);
    const note = { pitch, velocity, start, end: null };
    this.#notes.push(note);
    this.#held.set(pitch, note);
    return true;
  }

  up(pitch, step) {
    const note = this.#held.get(pitch);
    if (!note) return;
    this.#held.delete(pitch);
    note.end = Math.max(Math.round(step), note.start + 1);
  }

  // The rows of some bars, each with its width: of what sounds in them until now. A key that is held
  // is taken to be held to the end of them, or until ``now`` where that is given.
  rows(first, widths, now = Infinity) {
    const starts = [first];
    for (const { n_steps } of widths) starts.push(starts.at(-1) + n_steps);
    const end = Math.min(starts.at(-1), this.until);
    const notes = this.#notes
      .filter(({ start }) => start >= first && start < end)
      .map(({ pitch, velocity, start, end: stop }) => {
        const last = Math.min(stop ?? Math.max(Math.round(now), start + 1), end);
        return { pitch, velocity, start, duration: Math.max(last - start, 1) };
      });
    const rows = widths.map(() => []);
    for (const note of endEachAtNext(notes)) {
      for (const [bar, row] of cutNote(note, starts)) rows[bar].push(row);
    }
    for (const bar of rows) bar.sort((a, b) => a[0] - b[0] || a[2] - b[2]);
    return rows;
  }
}
