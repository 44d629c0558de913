// A model at work on sketches, as nextbar.writing.workbench is: bars composed, rolled again, filled in,
// laid side by side, blended. What it remembers only saves time.

import {
  cutAtBarLines, drawRoll, endAtNextOnset, joinAtBarLines, normalMetre, readRolls, semitonesToC, sortNotes, transpose,
} from "./bars.js";
import { Refused } from "./refused.js";
import { GIVEN, MOST_BARS, NOISE, Sketch, checkNotes, checkOwn, isBlend, isOwn, readWritten } from "./sketch.js";

export class Workbench {
  #bars = new Map();    // by name: {roll, latent, columns, kind, isHeard, metre}

  constructor({ model, kind, fingerprint }) {
    Object.assign(this, { model, kind, fingerprint });
  }

  begin({ notes, bars, metres, transposed, sound }) {
    const { kind } = this;
    let given = metres === null ? Array(bars).fill(kind.metre) : metres.slice(0, bars);
    if (given.length < bars) throw new Refused(`metres: there are ${given.length}, for ${bars} bars`);
    const end = kind.startsOf(given).at(-1);
    checkNotes(notes);
    const kept = endAtNextOnset(notes.filter(([start]) => start < end).map((note) => note.with(1, Math.min(note[1], end - note[0]))));
    const fields = { run: this.fingerprint, given: kept, givenMetres: [], transposed: 0, sound };
    if (!kept.length) return new Sketch(fields);
    const last = Math.max(...kept.map(([start, duration]) => start + duration));
    given = given.slice(0, kind.startsOf(given).findIndex((start) => start >= last));
    kind.numberOf(given.at(-1));
    const semitones = kind.commonKey ? transposed ?? semitonesToC(kept) : 0;
    return new Sketch({ ...fields, givenMetres: given.map((metre) => this.#stored(metre)), transposed: semitones });
  }

  // The metre of each bar, given ones first.
  metres(sketch) {
    const given = sketch.givenStands ? this.#givenMetres(sketch) : [];
    return [...given, ...sketch.bars.map((name) => this.#metreOf(sketch, name))];
  }

  #givenMetres(sketch) { return sketch.givenMetres.map((metre) => metre ?? this.kind.metre); }

  #metreOf(sketch, name) {
    let recipe = sketch.made[name];
    while (isBlend(recipe)) recipe = sketch.made[recipe.first];
    return recipe.metre ?? this.kind.metre;
  }

  #stored(metre) { return metre === this.kind.metre ? null : metre; }

  // Each of these gives the sketch and the change, bar by bar.

  * compose(sketch, { bars, seed, sampling, metre = null }) {
    this.#check(sketch);
    const end = sketch.bars.length + bars;
    for (let bar = sketch.bars.length; bar < end; bar++) {
      if (sketch.nGiven + bar >= MOST_BARS) throw new Refused(`a sketch has up to ${MOST_BARS} bars; begin another one`);
      const recipe = this.#written(sketch, seed, bar, sampling, metre ?? this.metres(sketch).at(-1) ?? this.kind.metre);
      const step = this.#put(sketch, bar, recipe);
      sketch = step.sketch;
      yield step;
    }
  }

  * recompose(sketch, { bars, seed, sampling, metre = null }) {
    this.#check(sketch);
    const stood = this.metres(sketch).slice(sketch.nGiven);
    const locked = sketch.locked.filter((bar) => bar < sketch.bars.length);
    const kept = locked.length ? Math.max(Math.min(bars, sketch.bars.length), Math.max(...locked) + 1) : 0;
    if (bars <= kept && kept === locked.length) throw new Refused("every bar that would be composed anew is locked; unlock one");
    sketch = sketch.cut(kept);
    if (locked.length < kept) {
      for (const step of this.roll(sketch, { bar: 0, seed, sampling, with_following: true, metre })) {
        sketch = step.sketch;
        yield step;
      }
    }
    for (let bar = kept; bar < bars; bar++) {
      for (const step of this.compose(sketch, { bars: 1, seed, sampling, metre: metre ?? stood[bar] ?? null })) {
        sketch = step.sketch;
        yield step;
      }
    }
  }

  * roll(sketch, { bar, seed, sampling, with_following: withFollowing, metre = null }) {
    const last = withFollowing ? sketch.bars.length : bar + 1;
    const bars = [...Array(Math.max(last - bar, 0)).keys()].map((i) => bar + i);
    yield* this.fill(sketch, { bars, seed, sampling, metre });
  }

  * fill(sketch, { bars, seed, sampling, metre = null }) {
    this.#check(sketch);
    for (const bar of bars) this.#checkBar(sketch, bar);
    const chosen = [...new Set(bars)].filter((bar) => !sketch.locked.includes(bar)).sort((a, b) => a - b);
    if (!chosen.length) throw new Refused("every bar that would be rolled again is locked; unlock one");
    const stay = new Set([...sketch.bars.keys()].filter((bar) => !chosen.includes(bar)));
    const how = chosen.length === 1 ? { ...sampling, repeat: 0 } : sampling;   // one alone is a new one
    for (const bar of chosen) {
      const now = metre ?? this.#metreOf(sketch, sketch.bars[bar]);
      const step = this.#put(sketch, bar, this.#written(sketch, seed, bar, how, now, stay));
      sketch = step.sketch;
      yield step;
    }
  }

  // A bar for each seed in the place of one; the sketch stays as it is.
  alternatives(sketch, { bar, seeds, sampling }) {
    this.#check(sketch);
    this.#checkBar(sketch, bar);
    const metre = this.#metreOf(sketch, sketch.bars[bar]);
    const stay = new Set([...sketch.bars.keys()].filter((each) => each !== bar));
    return seeds.map((seed) => this.#changed(sketch, bar, this.#written(sketch, seed, bar, { ...sampling, repeat: 0 }, metre, stay)));
  }

  // Bars on the even way from one to another, both ends among them.
  blends(sketch, { bar, first, second, steps }) {
    this.#check(sketch);
    this.#checkBar(sketch, bar);
    for (const name of [first, second]) {
      if (!(name in sketch.made)) throw new Refused(`there is no bar ${name.slice(0, 8)} to blend; choose two written bars`);
      if (isOwn(sketch.made[name])) throw new Refused("blend: a bar set by hand has no latent; choose two written bars");
    }
    return [...Array(steps).keys()].map((step) => this.#changed(sketch, bar, { first, second, share: step / (steps - 1) }));
  }

  // -------------------------------------------------------------------- what a piece sounds

  // The whole piece as notes, given ones first, and the metre of each bar.
  composition(sketch) {
    this.#check(sketch);
    const { kind } = this, metres = this.metres(sketch), written = metres.slice(sketch.nGiven);
    const bars = sketch.bars.map((name) => this.#bar(sketch, name));
    const rows = readRolls(bars.map(({ roll }, i) => ({ roll, columns: kind.stepsOf(written[i]) })), kind);
    sketch.bars.forEach((name, bar) => {
      const recipe = sketch.made[name];
      if (isOwn(recipe)) rows[bar] = recipe.notes.map((note) => note.with(2, note[2] + sketch.transposed));
    });
    const notes = transpose(joinAtBarLines(rows, kind.startsOf(written)), -sketch.transposed);
    const begins = kind.startsOf(metres.slice(0, sketch.nGiven)).at(-1);
    const given = sketch.givenStands ? sketch.given : [];
    const sound = sketch.sound ?? { tempo: kind.tempo, program: 0, name: "" };
    return { notes: sortNotes([...given, ...notes.map((note) => note.with(0, note[0] + begins))]), metres, sound };
  }

  // The notes of a new bar in its place, those tied that the bar before holds over.
  notesOf(sketch, { bar, made }) {
    const now = { roll: made.roll, columns: this.kind.stepsOf(made.metre) };
    const before = bar ? this.#bar(sketch, sketch.bars[bar - 1]) : null;
    const line = before ? [{ roll: before.roll, columns: this.kind.stepsOf(before.metre) }, now] : [now];
    return transpose(readRolls(line, this.kind).at(-1), -sketch.transposed);
  }

  // -------------------------------------------------------------------- bars

  #put(sketch, bar, recipe) {
    const next = sketch.withBar(bar, recipe), name = next.bars[bar];
    return { sketch: next, change: { bar, name, recipe, made: this.#bar(next, name) } };
  }

  #changed(sketch, bar, recipe) {
    const name = sketch.nameOf(recipe), known = sketch.with({ made: { ...sketch.made, [name]: recipe } });
    return { bar, name, recipe, made: this.#bar(known, name) };
  }

  // The bar of a name, made from its recipe, and from what that builds on, where unknown.
  #bar(sketch, name) {
    for (const [each, recipe] of sketch.needed([name], (known) => this.#bars.has(known))) {
      this.#bars.set(each, this.#make(sketch, recipe));
    }
    return this.#bars.get(name);
  }

  #make(sketch, recipe) {
    const { kind, model } = this;
    if (isBlend(recipe)) return this.#blend(this.#bar(sketch, recipe.first), this.#bar(sketch, recipe.second), recipe.share);
    const metre = recipe.metre ?? kind.metre;
    if (isOwn(recipe)) return this.#heard(transpose(recipe.notes, sketch.transposed), metre);
    const towards = recipe.towards.map((name) => this.#bar(sketch, name));
    const made = model.write({ ...recipe, before: this.#before(sketch, recipe.after), towards }, kind.widthOf(metre));
    return { ...made, metre };
  }

  // A bar that the model did not write, as it hears it.
  #heard(rows, metre) {
    const { kind } = this, roll = drawRoll(rows, kind), columns = kind.stepsOf(metre);
    const number = kind.knows(metre) ? kind.numberOf(metre) : -1;
    return { roll, columns, kind: number, isHeard: roll.some((cell) => cell > 0), latent: new Float32Array(this.model.latentSize), metre };
  }

  #before(sketch, after) {
    if (after.length === 1 && after[0] === NOISE) return null;
    const bars = after.filter((name) => name !== GIVEN).map((name) => this.#bar(sketch, name));
    const reach = this.model.memory - bars.length;
    return after[0] === GIVEN && reach > 0 ? [...this.#given(sketch).slice(-reach), ...bars] : bars;
  }

  // The given bars that the model may look at: none before one in a metre that it does not know.
  #given(sketch) {
    const { kind } = this, metres = this.#givenMetres(sketch);
    const rows = cutAtBarLines(transpose(sketch.given, sketch.transposed), kind.startsOf(metres));
    const first = metres.findLastIndex((metre) => !kind.knows(metre)) + 1;
    return rows.slice(first).map((each, i) => this.#heard(each, metres[first + i]));
  }

  #blend(first, second, share) {
    if (first.metre !== second.metre) throw new Refused(`blend: the bars are in ${first.metre} and ${second.metre}; choose two of one metre`);
    const [made] = this.model.decode([onTheArc(first.latent, second.latent, share)], this.kind.widthOf(first.metre));
    return { ...made, metre: first.metre };
  }

  #written(sketch, seed, bar, { temperature, follow, choose, repeat = 1 }, metre, stay = new Set()) {
    this.kind.numberOf(metre);
    const after = sketch.before(bar, this.model.memory);
    const { towards, gap } = sketch.behind(bar, this.model.reach, stay);
    return readWritten({ seed, position: bar, temperature, follow, after, metre: this.#stored(normalMetre(metre)), towards, gap, choose, repeat });
  }

  #check(sketch) {
    if (sketch.run !== this.fingerprint) {
      throw new Refused(`this piece was made with another run, or another state of it (${sketch.run.slice(0, 8)}); open it with that one, this is ${this.fingerprint.slice(0, 8)}`);
    }
    const { given } = sketch, { kind } = this;
    for (const metre of this.metres(sketch).slice(sketch.nGiven)) kind.numberOf(metre);
    const metres = this.#givenMetres(sketch), end = kind.startsOf(metres).at(-1);
    if (given.some(([start, duration]) => start + duration > end)) throw new Refused(`given notes: one lasts beyond the ${metres.length} given bars`);
    if (endAtNextOnset(given).length < given.length) throw new Refused("given notes: two of one pitch begin together; give one of them");
    sketch.bars.forEach((name, bar) => {
      const recipe = sketch.made[name];
      if (isOwn(recipe)) checkOwn(recipe, kind.stepsOf(recipe.metre ?? kind.metre), sketch.nGiven + bar + 1);
    });
  }

  #checkBar(sketch, bar) {
    if (!(bar >= 0 && bar < sketch.bars.length)) {
      throw new Refused(`written bar ${bar + 1} does not exist; there are ${sketch.bars.length}, and given bars stay as they are`);
    }
  }
}

// The point at ``share`` of the way from one latent to the other: its direction turns evenly, and its
// length changes evenly; the ends are exact.
function onTheArc(first, second, share) {
  if (share === 0) return first;
  if (share === 1) return second;
  const length = (of) => Math.hypot(...of), lengths = [length(first), length(second)];
  const line = first.map((value, i) => (1 - share) * value + share * second[i]);
  if (Math.min(...lengths) === 0) return line;
  const cosine = first.reduce((sum, value, i) => sum + value * second[i], 0) / (lengths[0] * lengths[1]);
  const angle = Math.acos(Math.min(Math.max(cosine, -1), 1));
  if (Math.sin(angle) < 1e-4) return line;
  const far = (1 - share) * lengths[0] + share * lengths[1];
  const parts = [Math.sin((1 - share) * angle) / lengths[0], Math.sin(share * angle) / lengths[1]];
  return first.map((value, i) => ((parts[0] * value + parts[1] * second[i]) / Math.sin(angle)) * far);
}
