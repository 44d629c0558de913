// Notes on a grid and bars, what nextbar.music's bars, metre, kind and grid are in Python.
//
// Notes are rows [start, duration, pitch, velocity] in steps of the piece; bar notes are rows of a bar,
// with a fifth place: whether one goes on from the bar before. A roll is what the model sees and draws.

import { Refused } from "./refused.js";

export const LOWEST = 21, PITCHES = 88, LOUDEST = 127;
const MOST_STEPS = 255;
const C_MAJOR = [0, 2, 4, 5, 7, 9, 11];
const SHIFTS = [0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, 6];   // the nearest first

// -------------------------------------------------------------------- metres, as "6/8"

const parts = (metre) => metre.split("/").map(Number);

export function readMetre(text) {
  const found = /^\s*(\d{1,2})\s*\/\s*(1|2|4|8|16|32)\s*$/.exec(text);
  if (!found || Number(found[1]) === 0) throw new Refused(`'${text}' is no metre; write it as 4/4, 3/4 or 6/8`);
  return `${Number(found[1])}/${Number(found[2])}`;
}

// The form by which metres of equal bars and equal kind are one: 2/2 is 4/4, and 6/8 is not 3/4.
export function normalMetre(metre) {
  const [numerator, denominator] = parts(metre);
  const isCompound = (n) => n > 3 && n % 3 === 0;
  if (!denominator || isCompound(numerator) || (4 * numerator) % denominator) return metre;
  const quarters = (4 * numerator) / denominator;
  return isCompound(quarters) ? metre : `${quarters}/4`;
}

export function barSteps(metre, stepsPerQuarter) {
  const [numerator, denominator] = parts(metre);
  const steps = (4 * numerator * stepsPerQuarter) / denominator;
  if (Number.isInteger(steps) && steps >= 1 && steps <= MOST_STEPS) return steps;
  throw new Refused(`a bar of ${metre} has ${steps} steps at ${stepsPerQuarter} steps a quarter; a whole number from 1 to ${MOST_STEPS} is needed; choose other steps`);
}

export function beatSteps(metre, stepsPerQuarter) {
  const [numerator, denominator] = parts(metre), unit = (4 * stepsPerQuarter) / denominator;
  return numerator > 3 && numerator % 3 === 0 ? 3 * unit : Math.min(unit, stepsPerQuarter);
}

// The grid, metres and tempo of the bars that a model was trained on.
export class Kind {
  constructor(record) {
    this.metres = record.metres ?? [record.metre];
    this.metre = record.usual_metre ?? this.metres[0];
    this.grid = record.grid;
    this.stepsPerQuarter = record.steps_per_quarter;
    this.tempo = record.tempo;
    this.hasOnsets = record.onsets;
    this.commonKey = record.common_key;
    this.widths = this.metres.map((metre) => this.stepsOf(metre));
    this.steps = Math.max(...this.widths);
  }

  stepsOf(metre) { return barSteps(metre, this.stepsPerQuarter); }

  knows(metre) { return this.metres.includes(normalMetre(metre)); }

  // Which of its metres one is.
  numberOf(metre) {
    const number = this.metres.indexOf(normalMetre(metre));
    if (number < 0) throw new Refused(`metre: ${metre} is none that this model knows (${this.metres.join(", ")})`);
    return number;
  }

  // How wide a bar is for the model.
  widthOf(metre) {
    const kind = this.numberOf(metre);
    return { kind, columns: this.widths[kind] };
  }

  startsOf(metres) {
    const starts = [0];
    for (const metre of metres) starts.push(starts.at(-1) + this.stepsOf(metre));
    return starts;
  }
}

// -------------------------------------------------------------------- notes

export const sortNotes = (notes) => [...notes].sort((a, b) => a[0] - b[0] || a[2] - b[2]);

export function transpose(rows, semitones) {
  return rows.filter((row) => row[2] + semitones >= LOWEST && row[2] + semitones < LOWEST + PITCHES)
    .map((row) => row.with(2, row[2] + semitones));
}

// How far to transpose, -5 to 6, so that the major scale that the notes fit best is C major.
export function semitonesToC(notes) {
  const classes = Array(12).fill(0);
  for (const [, , pitch] of notes) classes[pitch % 12]++;
  const fit = (shift) => C_MAJOR.reduce((sum, tone) => sum + classes[(tone - shift + 12) % 12], 0);
  return SHIFTS.reduce((best, shift) => (fit(shift) > fit(best) ? shift : best), 0);
}

// The notes without overlaps in one pitch: a later onset ends the earlier note, and of notes that
// begin together the longest stays, of equally long ones the loudest.
export function endAtNextOnset(notes) {
  const sorted = [...notes].sort((a, b) => a[2] - b[2] || a[0] - b[0] || b[1] - a[1] || b[3] - a[3]);
  const alone = sorted.filter((note, i) => !i || note[2] !== sorted[i - 1][2] || note[0] !== sorted[i - 1][0]);
  return sortNotes(alone.map((note, i) => {
    const next = alone[i + 1];
    return next?.[2] === note[2] ? note.with(1, Math.min(note[1], next[0] - note[0])) : note;
  }));
}

// The bar notes of each bar; a note that crosses bar lines gives a row in each bar.
export function cutAtBarLines(notes, starts) {
  const bars = starts.slice(1).map(() => []);
  for (const [start, duration, pitch, velocity] of notes) {
    const end = Math.min(start + duration, starts.at(-1));
    let bar = starts.findLastIndex((line) => line <= start);
    for (let from = start; bar < bars.length && from < end; bar++) {
      const to = Math.min(end, starts[bar + 1]);
      bars[bar].push([from - starts[bar], to - from, pitch, velocity, from > start]);
      from = to;
    }
  }
  for (const rows of bars) rows.sort((a, b) => a[0] - b[0] || a[2] - b[2]);
  return bars;
}

// The notes of bars, tied rows joined to those that they go on from.
export function joinAtBarLines(bars, starts) {
  const all = bars.flatMap((rows, bar) => rows.map(([start, ...rest]) => [start + starts[bar], ...rest]));
  all.sort((a, b) => a[2] - b[2] || a[0] - b[0] || a[3] - b[3]);
  const notes = [];
  let end = -1;   // of the row before
  all.forEach(([start, duration, pitch, velocity, tied], i) => {
    if (tied && i && all[i - 1][2] === pitch && end === start) notes.at(-1)[1] += duration;
    else notes.push([start, duration, pitch, velocity]);
    end = start + duration;
  });
  return sortNotes(notes);
}

// -------------------------------------------------------------------- rolls

// A bar's roll, (channels, 88, steps): velocities, and 127 where a note begins if there are onsets.
export function drawRoll(rows, { steps, hasOnsets }) {
  const roll = new Uint8Array((hasOnsets ? 2 : 1) * PITCHES * steps);
  for (const [start, duration, pitch, velocity] of rows) {
    const lane = (pitch - LOWEST) * steps;
    roll.fill(velocity, lane + start, lane + start + duration);
  }
  for (const [start, , pitch, , tied] of hasOnsets ? rows : []) {
    if (!tied) roll[(PITCHES + pitch - LOWEST) * steps + start] = LOUDEST;
  }
  return roll;
}

// The bar notes of rolls that follow each other, each of so many columns: {roll, columns} each.
export function readRolls(bars, { steps, hasOnsets }) {
  const starts = [0];
  for (const { columns } of bars) starts.push(starts.at(-1) + columns);
  const notes = [];
  for (let row = 0; row < PITCHES; row++) {
    let note = null;
    bars.forEach(({ roll, columns }, bar) => {
      for (let step = 0; step < columns; step++) {
        const velocity = roll[row * steps + step];
        const begins = velocity > 0 && (note === null || (hasOnsets && roll[(PITCHES + row) * steps + step] > 0));
        if (begins) notes.push(note = [starts[bar] + step, 1, LOWEST + row, velocity]);
        else if (velocity > 0) note[1]++;
        else note = null;
      }
    });
  }
  return cutAtBarLines(sortNotes(notes), starts);
}
