// A model and all that the page asks of it, as nextbar.studio.desk answers it on a server.

import { barSteps, beatSteps, cutAtBarLines, semitonesToC } from "./bars.js";
import { Refused } from "./refused.js";
import { Sketch, checkBounds, isOwn, readSound } from "./sketch.js";

const NO_MARK = { nearness: null, near: "", is_near: false, is_copy: false };   // the tunes are not here

export class Desk {
  // described: what the page has to know of the run.
  constructor(bench, described) {
    Object.assign(this, { bench, described, kind: bench.kind });
  }

  begin(asked) {
    const { notes = [], bars = 0, metres = null, transposed = null, sound = null } = asked;
    return this.show(this.bench.begin({ notes, bars, metres, transposed, sound: readSound(sound) }));
  }

  open({ piece }) { return this.show(this.#sketch(piece)); }

  // Bar by bar, then the whole piece. how: compose, recompose, roll or fill.
  * follow(how, { piece, temperature, follow, ...asked }) {
    let sketch = this.#sketch(piece);
    for (const step of this.bench[how](sketch, { ...asked, sampling: this.#sampling({ temperature, follow }) })) {
      sketch = step.sketch;
      yield { event: "bar", n_bars: sketch.nGiven + sketch.bars.length, bar: this.#change(sketch, step.change) };
    }
    yield { event: "piece", piece: this.show(sketch) };
  }

  // The next bar of a piece, and what has to stand in its recipe for it: the bars of somebody's own that it
  // was written after, as they stood then.
  answer({ piece, seed, metre = null, temperature, follow }) {
    const steps = this.bench.compose(this.#sketch(piece), { bars: 1, seed, metre, sampling: this.#sampling({ temperature, follow }) });
    const [{ sketch, change }] = [...steps];
    const heard = change.recipe.after.filter((name) => name in sketch.made && isOwn(sketch.made[name]));
    return {
      bar: this.#change(sketch, change), made: Object.fromEntries(heard.map((name) => [name, sketch.made[name]])),
      transposed: sketch.transposed,
    };
  }

  alternatives({ piece, bar, seed, count = 10, temperature, follow }) {
    const sketch = this.#sketch(piece), seeds = [...Array(count).keys()].map((i) => seed + i);
    const found = this.bench.alternatives(sketch, { bar, seeds, sampling: this.#sampling({ temperature, follow }) });
    return { bars: found.map((change) => this.#change(sketch, change)) };
  }

  blend({ piece, bar, first, second, steps = 9 }) {
    const sketch = this.#sketch(piece);
    return { bars: this.bench.blends(sketch, { bar, first, second, steps }).map((change) => this.#change(sketch, change)) };
  }

  // The piece as notes with its metres and sound.
  composition({ piece, tempo = null }) {
    const made = this.bench.composition(this.#sketch(piece));
    return { ...made, sound: { ...made.sound, tempo: tempo ?? made.sound.tempo }, stepsPerQuarter: this.kind.stepsPerQuarter };
  }

  #sampling({ temperature, follow }) {
    const { described } = this;
    const sampling = { temperature: temperature ?? described.temperature, follow: follow ?? described.follow, choose: described.choose, repeat: described.repeat };
    checkBounds(sampling);
    return sampling;
  }

  #sketch(recipe) {
    if (recipe.transposed !== null && recipe.transposed !== undefined) return Sketch.fromJson(recipe);
    return Sketch.fromJson({ ...recipe, transposed: this.kind.commonKey ? semitonesToC(recipe.given_notes) : 0 });
  }

  // The whole piece: its recipe, and the notes of every bar.
  show(sketch) {
    const { notes, metres } = this.bench.composition(sketch);
    const rows = cutAtBarLines(notes, this.kind.startsOf(metres));
    const bars = rows.map((each, number) => {
      const written = number - sketch.nGiven, bar = { notes: each, given: written < 0, ...this.#width(metres[number]) };
      if (written < 0) return bar;
      const name = sketch.bars[written], recipe = sketch.made[name], own = isOwn(recipe);
      return { ...bar, name, own, recipe, ...(own ? {} : NO_MARK) };
    });
    return { recipe: sketch.toJson(), bars };
  }

  #change(sketch, change) {
    const { bar, name, recipe, made } = change;
    return {
      index: sketch.nGiven + bar, notes: this.bench.notesOf(sketch, change), given: false, own: false, name, recipe,
      ...this.#width(made.metre), ...NO_MARK,
    };
  }

  #width(metre) {
    const { stepsPerQuarter } = this.kind;
    return { metre, n_steps: barSteps(metre, stepsPerQuarter), beat: beatSteps(metre, stepsPerQuarter) };
  }
}
export { Refused };
