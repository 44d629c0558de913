// A piece for somebody else: its recipe, and beside it what it sounds, for a studio that does not have
// the model. There the notes are given bars, and it is said what is missing.

import { blank, withBarsAt } from "./piece.js";

// The recipe with the notes of all bars. run: the one that it was made with.
export function toShare({ recipe, bars }, run) {
  const heard = {
    model: run.name, steps_per_quarter: run.steps_per_quarter,
    bars: bars.map(({ notes, metre }) => ({ notes, metre })),
  };
  return { ...recipe, heard };
}

// The recipe as the studio reads it, and what was beside it, null where nothing was.
export function apart({ heard, ...recipe }) { return { recipe, heard: heard ?? null }; }

// The recipe of a draft of these notes, for a model that is here. Throws a sentence where its grid is
// another.
export function asGiven({ model, steps_per_quarter: steps, bars }, run, sound) {
  if (!Array.isArray(bars) || !bars.every((bar) => Array.isArray(bar?.notes) && /^\d+\/\d+$/.test(bar.metre))) {
    throw new Error("The notes of this piece are damaged.");
  }
  if (steps !== run.steps_per_quarter) {
    throw new Error(`This piece was made with ${model}, which is not open here, on a grid of ${steps} steps a quarter; ${run.name} has ${run.steps_per_quarter}.`);
  }
  const widths = bars.map(({ notes, metre }) => {
    const [beats, unit] = metre.split("/").map(Number);
    return { notes, metre, n_steps: (4 * steps * beats) / unit };
  });
  const draft = withBarsAt(blank(run.fingerprint, sound ?? null), 0, widths);
  return { ...draft.recipe, transposed: null };
}
