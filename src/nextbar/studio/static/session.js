// Playing along: bars that somebody plays are recorded, or traded with the model. Time is counted in
// steps from the first bar line, by the clock of the sound.
//
// An answer has to sound on the bar line, and the model needs a moment. So it is asked before the line
// comes, with what was played so far, and again whenever more was played meanwhile; the last answer
// that is there at the line is taken. What the model did not hear any more of the last bar, it hears
// for the second bar of its answer. The recipe says what it heard.

import { nextBar } from "./api.js";
import { asOwn, withBarsAt } from "./piece.js";
import { timing } from "./swing.js";
import { Take } from "./take.js";

const AHEAD = 0.15;        // seconds before they sound that notes are given to the clock
const COMMIT = 0.08;       // seconds before the bar line that an answer is taken: a page may be held up
const LATEST = 0.1;        // seconds behind its time that a note still sounds
const LEAST_LEAD = 0.5;    // seconds before the bar line that the first answer is asked for, at least
const ANSWERS_AHEAD = 4;   // as many times the length of an answer
export const MOST_BARS = 512;

const entryOf = ({ notes, metre }) => ({ notes, metre });

const joined = (rows, starts) => {
  const notes = [];
  rows.forEach((bar, i) => {
    for (const [start, duration, pitch, velocity, tied] of bar) {
      const before = tied && notes.findLast((note) => note[2] === pitch && note[0] + note[1] === starts[i]);
      if (before) before[1] += duration;
      else notes.push([starts[i] + start, duration, pitch, velocity]);
    }
  });
  return notes;
};

export class Session extends EventTarget {
  #asking = null;        // the AbortController of the answer that is waited for
  #asked = "";           // what the model was asked with last
  #ready = null;         // the latest answer that is there, for this turn
  #queue = [];           // notes to be sounded: {step, steps, pitch, velocity}, by step
  #clicked = -Infinity;  // the last beat that the metronome was told of

  // sound, state, settings: the page's. piece: what is gone on from. width: {metre, n_steps, beat}.
  // trades: whether the model answers, each time as many bars as were played. countIn, clicks: whether
  // there are beats before the first bar, and on.
  constructor({ sound, state, settings, piece, width, bars, trades, countIn, clicks, seed }) {
    super();
    Object.assign(this, { sound, state, settings, width, trades, clicks, seed, n: bars });
    this.recipe = piece.recipe;
    this.bars = piece.bars;          // those of the piece, with what was played and answered
    this.offset = 0;                 // the step of the piece at step 0 of the clock
    for (const bar of piece.bars) this.offset += bar.n_steps;
    this.secondsPerStep = this.#secondsNow;
    this.lead = countIn ? width.n_steps : 0;
    this.took = 0.3;                 // seconds that an answer took lately
    this.log = [];                   // of each trade: {ready, heard, late}; milliseconds from the bar line
    this.past = null;                // what was played in the turn before
    this.problem = null;
    this.isOver = false;
  }

  get #secondsNow() { return 60 / this.state.tempo / this.state.run.steps_per_quarter; }

  get barSteps() { return this.width.n_steps; }

  async start() {
    await this.sound.context.resume();
    this.began = this.sound.context.currentTime + 0.1 + this.lead * this.secondsPerStep;
    this.#beginTurn(0);
    this.ticker = new Worker(new URL("ticker.js", import.meta.url));
    this.ticker.onmessage = () => this.tick();
  }

  stop() {
    if (this.isOver) return;
    this.isOver = true;
    this.ticker?.terminate();
    this.#asking?.abort();
    this.#queue = [];
    if (this.isMine) this.#keepLast();
    else this.#replay();
    this.dispatchEvent(new Event("end"));
  }

  // ------------------------------------------------------------------ the clock

  // Where the clock is; and where somebody is who plays to what is heard, who swings too.
  get now() { return (this.sound.context.currentTime - this.began) / this.secondsPerStep; }
  get heardNow() { return this.#heardAt(performance.now()); }

  get #timing() { return timing([this.width], this.state.swing, this.state.run.steps_per_quarter); }

  timeOf(step) { return this.began + this.#timing.heard(step) * this.secondsPerStep; }

  #heardAt(time) {
    return this.#timing.written((this.sound.heardAt(time) - this.began) / this.secondsPerStep);
  }

  // The page's tempo, also where it is changed on the way.
  #keepTempo() {
    const seconds = this.#secondsNow;
    if (seconds === this.secondsPerStep) return;
    const { now } = this;
    this.secondsPerStep = seconds;
    this.began = this.sound.context.currentTime - now * seconds;
  }

  tick() {
    if (this.isOver) return;
    this.#keepTempo();
    const { now } = this;
    this.#click(now);
    if (this.isMine) this.#listen(now);
    else this.#answer(now);
    this.#sound();
    this.dispatchEvent(new Event("tick"));
  }

  #click(now) {
    const { beat } = this.width, until = now + AHEAD / this.secondsPerStep;
    const { barSteps } = this;
    for (let bar = Math.floor(now / barSteps); bar * barSteps < until; bar++) {
      for (let step = bar * barSteps; step < (bar + 1) * barSteps; step += beat) {
        if (step <= this.#clicked || step < now - 1 || step >= until || step < -this.lead) continue;
        this.#clicked = step;
        if (this.clicks || step < 0) this.sound.click(this.timeOf(step), step % barSteps === 0);
      }
    }
  }

  // Notes whose time has nearly come; what comes too late sounds at once, and is counted.
  #sound() {
    const { currentTime } = this.sound.context;
    while (this.#queue.length && this.timeOf(this.#queue[0].step) < currentTime + AHEAD) {
      const { step, steps, pitch, velocity, trade } = this.#queue.shift();
      const when = this.timeOf(step);
      if (when < currentTime) trade.late += 1;
      if (when < currentTime - LATEST) continue;   // out of its place it would be another rhythm
      this.sound.strike(pitch, velocity, when, this.timeOf(step + steps) - when);
    }
  }

  // ------------------------------------------------------------------ the musician's turn

  // first: the step at which it begins.
  #beginTurn(first) {
    this.isMine = true;
    this.first = first;
    this.end = this.trades ? first + this.n * this.barSteps : Infinity;
    if (this.take?.from !== first) this.take = new Take(first, this.bars.length ? this.end : Infinity);
    this.place = this.bars.length;   // of its first bar in the piece
    this.#asked = "";
    this.#ready = null;
    this.dispatchEvent(new Event("turn"));
  }

  down(pitch, velocity, time) {
    if (this.isOver) return;
    const step = this.#heardAt(time);
    if (!this.past?.down(pitch, velocity, step)) this.take.down(pitch, velocity, step);
  }

  up(pitch, time) {
    const step = this.#heardAt(time);
    this.past?.up(pitch, step);
    this.take.up(pitch, step);
  }

  // Bars of this turn that have begun.
  get nBegun() {
    const begun = Math.floor((this.heardNow - this.first) / this.barSteps) + 1;
    return Math.min(Math.max(begun, 0), this.trades ? this.n : MOST_BARS);
  }

  // The bars of this turn as they were played.
  #played(n, now, take = this.take) {
    const rows = take.rows(this.first, Array(n).fill(this.width), now);
    return rows.map((notes) => ({ ...asOwn({ ...this.width, notes }) }));
  }

  #listen(now) {
    if (!this.trades) {
      if (this.bars.length + this.nBegun >= MOST_BARS) this.stop();
      return;
    }
    if (this.isWaiting && now > this.first + this.barSteps) {
      this.first += this.barSteps;
      this.end += this.barSteps;
    }
    const left = (this.end - now) * this.secondsPerStep;
    const lead = Math.max(ANSWERS_AHEAD * this.took, LEAST_LEAD, this.width.beat * this.secondsPerStep);
    const isLast = left < this.barSteps * this.secondsPerStep;
    if (isLast && left < lead && left > COMMIT) this.#askFirst();
    if (left <= COMMIT && !this.isWaiting) this.#endTurn();
  }

  // Asks for the first bar of the answer, with what was played until now.
  #askFirst() {
    if (this.#asking || this.isWaiting) return;
    const played = this.#played(this.n);
    const asked = JSON.stringify(played.map(({ notes }) => notes));
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.#ask(this.#recipeAfter(played), (answer, recipe, heard) => { this.#ready = { answer, recipe, heard }; });
  }

  // Whether nobody has played anything yet: then it is still their turn.
  get isWaiting() { return !this.bars.length && !this.take.has(this.first, this.end); }

  // The piece as the model hears it for its answer. What was played first is what the piece begins
  // from: by it the key is found.
  #recipeAfter(played) {
    const own = played.map(entryOf);
    if (this.bars.length) return { ...this.recipe, bars: [...this.recipe.bars, ...own] };
    const n = played.findLastIndex(({ notes }) => notes.length) + 1;
    const starts = played.map((_, i) => i * this.barSteps);
    return {
      ...this.recipe, given_bars: n, given_metres: own.slice(0, n).map(({ metre }) => metre), transposed: null,
      given_notes: joined(played.slice(0, n).map(({ notes }) => notes), starts), given_stands: true,
    };
  }

  async #ask(recipe, ontake) {
    const mine = this.#asking = new AbortController(), begun = performance.now();
    const body = { piece: recipe, seed: this.seed, metre: this.width.metre, ...this.settings.sampled };
    try {
      const answer = { ...await nextBar(body, mine.signal), at: performance.now() };
      this.took += 0.25 * ((performance.now() - begun) / 1000 - this.took);
      if (this.#asking === mine) this.#asking = null;
      if (!this.isOver && !mine.signal.aborted) {
        ontake(answer, recipe, begun);
        this.tick();
      }
    } catch (error) {
      if (this.#asking === mine) this.#asking = null;
      if (mine.signal.aborted) return;
      this.problem = error;
      this.stop();
    }
  }

  // At the bar line.
  #endTurn() {
    if (this.bars.length + 2 * this.n > MOST_BARS) {
      this.stop();
      return;
    }
    const played = this.#played(this.n);
    if (!this.#ready && !this.#asking) this.#askFirst();   // the page was held up
    this.isMine = false;
    this.answered = 0;
    this.line = this.end;
    const given = this.recipe.given_stands === false ? 0 : this.recipe.given_bars;
    const locked = played.flatMap(({ notes }, i) => (notes.length ? [this.bars.length - given + i] : []));
    this.recipe = {
      ...this.recipe, bars: [...this.recipe.bars, ...played.map(entryOf)], locked: [...this.recipe.locked, ...locked],
    };
    this.bars = [...this.bars, ...played];
    this.past = this.take;
    this.past.until = Math.min(this.past.until, this.line);
    this.take = new Take(this.line + this.n * this.barSteps, this.line + 2 * this.n * this.barSteps);
    this.trade = { ready: null, heard: null, late: 0 };
    this.log.push(this.trade);
    this.dispatchEvent(new Event("turn"));
  }

  // What was played stands in the piece as it was played: also what came after the answer had to be
  // taken, as from somebody who hears the beat a moment after it has sounded.
  #replay() {
    if (!this.past) return;
    const played = this.#played(this.n, undefined, this.past);
    const behind = this.recipe.bars.length - (this.bars.length - this.place);
    this.bars = this.bars.toSpliced(this.place, this.n, ...played);
    const bars = this.recipe.bars.toSpliced(behind, this.n, ...played.map(entryOf));
    const given = this.bars.length - bars.length;
    const others = this.recipe.locked.filter((i) => i < behind || i >= behind + this.n);
    const locked = played.flatMap(({ notes }, i) => (notes.length ? [this.place - given + i] : []));
    this.recipe = { ...this.recipe, bars, locked: [...others, ...locked].sort((a, b) => a - b) };
  }

  // At the end: what is being played, without the bars that nobody played any more.
  #keepLast() {
    const all = this.#played(this.nBegun, this.heardNow);
    const played = all.slice(0, all.findLastIndex(({ notes }) => notes.length) + 1);
    if (!played.length) return;
    const isFirst = !this.bars.length;
    const made = withBarsAt({ recipe: this.recipe, bars: this.bars }, this.bars.length, played);
    this.recipe = isFirst ? { ...made.recipe, transposed: null } : made.recipe;
    this.bars = made.bars;
  }

  // ------------------------------------------------------------------ the model's turn

  #answer(now) {
    if (this.answered === 0) this.#takeFirst();
    else if (this.answered < this.n && !this.#asking) {
      this.#replay();
      this.#ask(this.recipe, (answer) => this.#put(answer));
    }
    const end = this.line + this.n * this.barSteps;
    if (this.answered < this.n || now < end - COMMIT / this.secondsPerStep) return;
    this.#replay();
    // Where the answer came so late that its bars are over, the next turn begins with the next bar.
    this.#beginTurn(Math.max(end, Math.ceil(now / this.barSteps) * this.barSteps));
  }

  // The answer that is there; or the one that is on its way.
  #takeFirst() {
    if (!this.#ready) return;
    this.#asking?.abort();
    this.#asking = null;
    const { answer, recipe, heard } = this.#ready;
    const line = performance.now() + (this.timeOf(this.line) - this.sound.context.currentTime) * 1000;
    this.trade.ready = answer.at - line;
    this.trade.heard = heard - line;
    if (this.recipe.given_bars === 0 && recipe.given_bars > 0) {   // the first trade: the piece begins so
      const { given_bars, given_metres, given_notes } = recipe;
      this.recipe = { ...this.recipe, given_bars, given_metres, given_notes, given_stands: false, transposed: answer.transposed };
    }
    this.#put(answer);
  }

  // A bar of the answer in its place: in the piece, and in what is to be sounded.
  #put({ bar, made, transposed }) {
    const { recipe } = this;
    this.recipe = {
      ...recipe, transposed, made: { ...recipe.made, ...made, [bar.name]: bar.recipe }, bars: [...recipe.bars, bar.name],
    };
    const start = this.line + this.answered * this.barSteps;
    for (const [at, steps, pitch, velocity, tied] of bar.notes) {
      const before = tied && this.#queue.findLast((note) => note.pitch === pitch && note.step + note.steps === start);
      if (before) before.steps += steps;
      else this.#queue.push({ step: start + at, steps, pitch, velocity, trade: this.trade });
    }
    this.#queue.sort((a, b) => a.step - b.step);
    this.bars = [...this.bars, bar];
    this.answered += 1;
    this.dispatchEvent(new Event("bar"));
  }

  // ------------------------------------------------------------------ what is to be seen

  // The piece with what is being played in it.
  get piece() {
    let { bars } = this;
    if (this.isMine && !this.isOver) bars = [...bars, ...this.#played(this.nBegun, this.heardNow)];
    return { recipe: this.recipe, bars, isLocal: true };
  }

  // Where that is in the piece, in steps.
  get position() {
    let step = 0;
    for (const bar of this.bars.slice(0, this.place)) step += bar.n_steps;
    return step + this.heardNow - this.first;
  }

  // Counted from 1: the beat of the bar, the bar of the turn, and of how many.
  get count() {
    const now = this.heardNow, from = this.isMine ? this.first : this.line;
    const beats = Math.ceil(this.barSteps / this.width.beat);
    const beat = Math.floor((((now % this.barSteps) + this.barSteps) % this.barSteps) / this.width.beat) + 1;
    return { beat: Math.min(beat, beats), beats, bar: Math.floor((now - from) / this.barSteps) + 1, isCountIn: now < 0 };
  }
}
