// What the model is asked for: bars composed, gone on with, rolled again. One piece of work at a time;
// its bars are shown as they come, and the last makes it the new piece.

import { post, stream } from "./api.js";
import { barsInWords, fail, forgive, say } from "./page.js";
import { blank, forRun, isDraft, leading, nGiven, opened, withBar, withGivenOpen } from "./piece.js";
import { newSeed } from "./settings.js";

const STOPPED = new DOMException("Stop was pressed", "AbortError");

export class Writing extends EventTarget {
  #working = null;   // the AbortController of what the model is asked for

  constructor({ state, settings }) {
    super();
    Object.assign(this, { state, settings });
  }

  get isBusy() { return this.#working !== null; }

  stop() { this.#working?.abort(STOPPED); }

  // Runs work that asks the model, one at a time; gives null where it failed or was given up.
  async busy(work) {
    this.#working?.abort();
    const mine = this.#working = new AbortController();
    forgive();
    this.dispatchEvent(new Event("busy"));
    try {
      return await work(mine.signal);
    } catch (error) {
      fail(error);
      return null;
    } finally {
      if (this.#working === mine) this.#working = null;
      this.dispatchEvent(new Event("busy"));
    }
  }

  // Gives up what is being written; nothing of it stays.
  giveUp() {
    this.#working?.abort();
    this.#working = null;
  }

  // Streams bars into a piece, which has as many as the server says; when the last is there, it is
  // the new one. Gives whether it is; where Stop was pressed, it is with the bars that are there.
  async #follow(path, body, start, settings) {
    const { state } = this;
    let now = start, last = null, ended = null, free = 0;
    const done = await this.busy(async (signal) => {
      ended = signal;
      await stream(path, body, signal, (event) => {
        if (event.event === "waiting") {
          say(`The model is busy: place ${event.place} in the queue`);
        } else if (event.event === "bar") {
          const bars = now.bars.slice(0, event.n_bars);
          bars[event.bar.index] = event.bar;
          now = { ...now, bars };
          say(`Writing bar ${event.bar.index + 1}`);
          // To show a long piece takes its time: at most a fifth of that is spent on it.
          const begun = performance.now();
          if (begun < free) return;
          state.preview(now);
          free = begun + 5 * (performance.now() - begun);
        } else {
          last = event.piece;
          if (event.says) fail(new Error(`What could be written is there. ${event.says}`));
        }
      });
      return true;
    });
    const isStopped = !done && ended?.reason === STOPPED && now !== start;
    if (isStopped) last = await this.busy((signal) => post("/api/open", { piece: recipeOf(now) }, signal));
    say("");
    if (!last || !(done || isStopped)) {
      state.preview(null);
      return false;
    }
    const bars = last.bars.length - leading(last);
    const piece = { ...last, recipe: { ...last.recipe, sound: state.sound } };   // a tempo set meanwhile
    state.put(piece, { ...settings, bars: Math.max(bars, 1) });
    return true;
  }

  // The piece as the chosen model can go on from it; null where it cannot.
  async ready() {
    const { state } = this;
    let { piece } = state;
    const { run } = state;
    if (piece.recipe.run !== run.fingerprint) {
      if (piece.bars.length && run.steps_per_quarter !== state.runOfPiece.steps_per_quarter) {
        fail(new Error(sayGrid(run, state.runOfPiece)));
        return null;
      }
      piece = forRun(piece, run.fingerprint);
    }
    if (!isDraft(piece)) return piece;
    const { recipe, bars } = piece;
    if (!recipe.given_notes.length) return blank(run.fingerprint, recipe.sound);
    const last = bars.findLastIndex(({ notes }) => notes.length);
    if (bars[last].known === false) {
      fail(new Error(sayUnknown(bars, last)));
      return null;
    }
    if (last + 1 < bars.length) say(`${barsInWords(last + 1, bars.length - 1)} had no notes: the model writes from there`.replace(/^./, (c) => c.toUpperCase()));
    const asked = {
      run: run.fingerprint, notes: recipe.given_notes, bars: bars.length, metres: recipe.given_metres,
      transposed: recipe.transposed, sound: recipe.sound,
    };
    return this.busy((signal) => post("/api/begin", asked, signal));
  }

  // The whole piece anew, but for what is given, locked or set by hand.
  async compose() {
    const { state, settings } = this;
    let seed;
    try {
      settings.commit();
      seed = settings.seed;
    } catch (error) { fail(error); return; }
    const drawn = isDraft(state.piece) ? state.piece.bars[0]?.metre : null;
    const start = await this.ready();
    if (!start) return;
    const { bars, metre } = state.settings;
    const asked = { piece: start.recipe, seed, ...settings.sampled };
    if (isDraft(start)) {
      const first = start.bars.length ? metre : metre ?? this.#known(drawn);
      await this.#follow("/api/compose", { ...asked, bars, metre: first }, start, { seed });
    } else {
      const total = bars + leading(start) - nGiven(start);
      await this.#follow("/api/recompose", { ...asked, bars: total, metre }, start, { seed });
    }
  }

  #known(metre) { return this.state.run.metres.some((each) => each.metre === metre) ? metre : null; }

  // More bars at the end, in the chosen metre.
  async goOn(bars) {
    const { state, settings } = this;
    try { settings.commit(); } catch (error) { fail(error); return; }
    const { seed, metre } = state.settings;
    const start = await this.ready();
    if (!start) return;
    const body = { piece: start.recipe, bars, seed, metre, ...settings.sampled };
    await this.#follow("/api/compose", body, start, {});
  }

  // Bars drawn anew: these alone, between those that stay, or with all that follow; what is locked
  // stays. Gives whether they are.
  async roll(bars, withFollowing) {
    const { piece } = this.state;
    const start = isDraft(piece) ? opened(forRun(piece, this.state.run.fingerprint)) : await this.ready();
    if (!start) return false;
    const given = nGiven(start);
    const asked = { piece: start.recipe, seed: newSeed(), ...this.settings.sampled };
    if (!withFollowing) return this.#follow("/api/fill", { ...asked, bars: bars.map((bar) => bar - given) }, start, {});
    return this.#follow("/api/roll", { ...asked, bar: bars[0] - given, with_following: true }, start, {});
  }

  // The other hand in some bars: what is kept of them stays to the note. Gives whether it is written.
  async harmonise(bars, keep, side) {
    const { state, settings } = this, { run } = state;
    if (state.piece.recipe.run !== run.fingerprint && run.steps_per_quarter !== state.runOfPiece.steps_per_quarter) {
      fail(new Error(sayGrid(run, state.runOfPiece)));
      return false;
    }
    const start = withGivenOpen(forRun(state.piece, run.fingerprint)), { temperature } = settings.sampled;
    const body = { piece: start.recipe, bars, keep, side, seed: newSeed(), temperature };
    return this.#follow("/api/harmonise", body, start, {});
  }

  // Other bars for one place; null where it failed.
  async alternatives(bar, count = 10) {
    const start = await this.ready();
    if (!start) return null;
    const body = { piece: start.recipe, bar: bar - nGiven(start), seed: newSeed(), count, ...this.settings.sampled };
    const answer = await this.busy((signal) => post("/api/alternatives", body, signal));
    return answer && { list: answer.bars, start };
  }

  // Bars on the way from one written bar to another, named.
  async blend(piece, bar, first, second) {
    const body = { piece: piece.recipe, bar: bar - nGiven(piece), first, second };
    const answer = await this.busy((signal) => post("/api/blend", body, signal));
    return answer?.bars ?? null;
  }

  // A bar near to the one that is there: some steps of eight on the way to another.
  async vary(bar, steps) {
    const found = await this.alternatives(bar, 1);
    if (!found) return;
    const { start, list: [other] } = found;
    if (start.bars[bar].own) {
      fail(new Error("Only bars that this model has written can be varied; roll it again, or choose among ten."));
      return;
    }
    const made = { ...start.recipe.made, [other.name]: other.recipe };
    const known = { ...start, recipe: { ...start.recipe, made } };
    const bars = await this.blend(known, bar, start.bars[bar].name, other.name);
    if (bars) this.state.put(withBar(known, bar, bars[steps]));
  }
}

const sayGrid = (run, other) => `${run.name} has another grid than this piece (${run.steps_per_quarter} steps a quarter, not ${other.steps_per_quarter}); begin anew with it.`;

// The recipe of a piece of which some bars are new.
function recipeOf({ recipe, bars }) {
  const behind = bars.slice(recipe.given_stands === false ? 0 : recipe.given_bars);
  const made = Object.fromEntries(behind.filter((bar) => bar.recipe).map((bar) => [bar.name, bar.recipe]));
  const entry = (bar) => bar.name ?? { notes: bar.notes, metre: bar.metre };
  const locked = recipe.locked.filter((i) => i < behind.length);
  return { ...recipe, made: { ...recipe.made, ...made }, bars: behind.map(entry), locked };
}

// Why nothing can be written behind a bar, and behind which it can.
function sayUnknown(bars, last) {
  const usable = bars.flatMap(({ known, notes }, i) => (known !== false && notes.length ? [i] : []));
  const [nearest] = usable.sort((one, other) => Math.abs(one - last) - Math.abs(other - last));
  return `Bar ${last + 1} is in ${bars[last].metre}, which the model does not know; `
    + (nearest === undefined ? "choose another file."
      : `select bar ${nearest + 1}, and press “Go on from here”.`);
}
