// Swing: in bars counted in quarters or halves, of every quarter the first half lasts so many percent,
// and the second the rest. Bars and files are written straight; what is heard, and MIDI and WAV files,
// are not. The same rule stands in nextbar.music.score.

import { barStarts } from "./piece.js";

export const STRAIGHT = 50;

const same = (step) => step;
const swings = (metre) => [1, 2, 4].includes(Number(metre.split("/")[1]));

// A place in bars, behind the last as in that one; ``from`` of each quarter becomes ``to``.
function bent(step, { starts, bars, quarter }, from, to) {
  let low = 0, high = bars.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle] <= step) low = middle; else high = middle - 1;
  }
  if (!swings(bars[low].metre)) return step;
  const within = (((step - starts[low]) % quarter) + quarter) % quarter, at = within / quarter;
  return step - within + quarter * (at < from ? (at * to) / from : to + ((at - from) * (1 - to)) / (1 - from));
}

// When a written step is heard, and which step is written where one is heard, both in steps from the
// first bar line. bars: {metre, n_steps} each. swing: in percent, 50 is straight.
export function timing(bars, swing, stepsPerQuarter) {
  if (swing === STRAIGHT || !bars.length) return { heard: same, written: same };
  const all = { bars, starts: barStarts(bars), quarter: stepsPerQuarter }, share = swing / 100;
  return { heard: (step) => bent(step, all, 0.5, share), written: (step) => bent(step, all, share, 0.5) };
}
