// A piece in the making, as nextbar.writing.sketch has it: what each bar was made from. Bars have the
// same names here and there, so that a recipe goes from one to the other.

import { STRAIGHT } from "../static/swing.js";
import { digest } from "./digest.js";
import { LOUDEST, LOWEST, PITCHES, endAtNextOnset, normalMetre, readMetre, sortNotes } from "./bars.js";
import { Refused } from "./refused.js";

const KIND = "nextbar recipe", FORMAT = 5, FORMATS_READ = [2, 3, 4, FORMAT];
export const GIVEN = "given", NOISE = "noise";
export const MOST_BARS = 512;
const MOST_RECIPES = 4096, MOST_GIVEN_NOTES = 8192, MOST_OWN_NOTES = 2048, MOST_STEPS = MOST_BARS * 255;
const MOST_SEMITONES = 11, MOST_ROWS = 10_000, MOST_SWING = 75;
const BOUNDS = { temperature: [0, 100], follow: [0, 1], choose: [0, 10], repeat: [0, 10], share: [0, 1] };

// -------------------------------------------------------------------- as Python writes it

function floatText(value) {
  const size = Math.abs(value);
  if (size >= 1e16 || (size > 0 && size < 1e-4)) return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
const tuple = (items) => (items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`);
const quoted = (text) => `'${text}'`;
const truth = (value) => (value ? "True" : "False");
const metreText = (metre) => (metre === null ? "None" : `(${metre.replace("/", ", ")})`);

const isOwn = (recipe) => "notes" in recipe;
const isBlend = (recipe) => "share" in recipe;
export { isOwn, isBlend };

// The fields of a recipe as they stand in its bar's name; what recipes could not say once is left out
// where it is not said.
function fieldsOf(recipe) {
  if (isBlend(recipe)) return ["Blended", quoted(recipe.first), quoted(recipe.second), floatText(recipe.share)];
  const metre = recipe.metre === null ? [] : [metreText(recipe.metre)];
  if (isOwn(recipe)) return ["Own", tuple(recipe.notes.map((note) => tuple([...note.slice(0, 4), truth(note[4])]))), ...metre];
  const { seed, position, temperature, follow, after, towards, gap, choose, repeat } = recipe;
  return [
    "Written", seed, position, floatText(temperature), floatText(follow), tuple(after.map(quoted)), ...metre,
    ...(towards.length ? [tuple(towards.map(quoted))] : []), ...(gap ? [gap] : []), ...(choose ? [floatText(choose)] : []),
    ...(repeat === 1 ? [] : [floatText(repeat)]),
  ];
}

// What all names of a sketch's bars rest on: the run and the beginning.
function baseOf({ run, given, givenMetres, transposed }) {
  const notes = `[${given.map(tuple).join(", ")}]`;
  const metres = givenMetres.some((metre) => metre !== null) ? ` ${tuple(givenMetres.map(metreText))}` : "";
  return digest(`${run} ${givenMetres.length} ${transposed} ${notes}${metres}`);
}

// -------------------------------------------------------------------- what can be

function checkWhole(value, low, high, what) {
  if (!Number.isInteger(value) || value < low || value > high) throw new Refused(`${what}: ${value} is not a whole number from ${low} to ${high}`);
}

export function checkBounds(values) {
  for (const [name, value] of Object.entries(values)) {
    const [low, high] = BOUNDS[name];
    if (!(value >= low && value <= high)) throw new Refused(`${name}: ${value} is not between ${low} and ${high}`);
  }
}

export function checkNotes(notes, which = "given notes") {
  if (notes.length > MOST_GIVEN_NOTES) throw new Refused(`${which}: there are ${notes.length}, more than ${MOST_GIVEN_NOTES}`);
  for (const [start, duration, pitch, velocity] of notes) {
    if (![start, duration, pitch, velocity].every(Number.isInteger)) throw new Refused(`${which}: one is not written in whole numbers`);
    if (pitch < LOWEST || pitch >= LOWEST + PITCHES) throw new Refused(`${which}: a pitch is outside of the piano, A0 (21) to C8 (108)`);
    if (velocity < 1 || velocity > LOUDEST) throw new Refused(`${which}: a velocity is not from 1 to 127`);
    if (start < 0 || duration < 1) throw new Refused(`${which}: one begins before the first bar, or has no duration`);
    if (start + duration > MOST_STEPS) throw new Refused(`${which}: one lasts beyond bar ${MOST_BARS}`);
  }
}

// Throws for notes of a bar that overlap, or last beyond it.
export function checkOwn({ notes }, steps, number) {
  if (notes.some(([start, duration]) => start + duration > steps)) throw new Refused(`bar ${number}: a note lasts beyond its ${steps} steps; shorten it`);
  const sum = (rows) => rows.reduce((total, [, duration]) => total + duration, 0);
  if (sum(endAtNextOnset(sortNotes(notes))) < sum(notes)) throw new Refused(`bar ${number}: two notes of one pitch overlap; shorten one of them`);
}

const metreOrNull = (stored) => (stored === null || stored === undefined ? null : readMetre(String(stored)));

function readOwn({ notes, metre }) {
  const rows = notes.map(([start, duration, pitch, velocity, tied]) => [start, duration, pitch, velocity, Boolean(tied)]);
  rows.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3] || a[4] - b[4]);
  if (rows.length > MOST_OWN_NOTES) throw new Refused(`own bar: ${rows.length} notes, more than ${MOST_OWN_NOTES}`);
  checkNotes(rows, "own bar");
  return { notes: rows, metre: metreOrNull(metre) };
}

function readRecipe(stored) {
  if (isBlend(stored)) {
    const { first, second, share } = stored;
    checkBounds({ share });
    return { first: String(first), second: String(second), share };
  }
  return isOwn(stored) ? readOwn(stored) : readWritten(stored);
}

export function readWritten({ seed, position, temperature, follow, after, metre, towards = [], gap = 0, choose = 0, repeat = 1 }) {
  checkWhole(seed, 0, Number.MAX_SAFE_INTEGER, "seed");
  checkWhole(position, 0, MOST_ROWS - 1, "position");
  checkBounds({ temperature, follow, choose, repeat });
  if (!after.length || after.slice(1).includes(GIVEN) || (after.includes(NOISE) && after.length > 1)) {
    throw new Refused('after: a bar follows named bars, with "given" in front of them or not, or only "noise"');
  }
  checkWhole(gap, 0, MOST_BARS, "gap");
  if (towards.includes(GIVEN) || towards.includes(NOISE)) throw new Refused("towards: a bar leads to named bars, with few or none between");
  return { seed, position, temperature, follow, after: [...after], metre: metreOrNull(metre), towards: [...towards], gap, choose, repeat };
}

// The names of the bars that a recipe builds on.
export function buildsOn(recipe) {
  if (isBlend(recipe)) return [recipe.first, recipe.second];
  if (isOwn(recipe)) return [];
  return [...recipe.after, ...recipe.towards].filter((name) => name !== GIVEN && name !== NOISE);
}

// -------------------------------------------------------------------- the sketch

export class Sketch {
  #base = null;

  // run, given, givenMetres, transposed, made, bars, locked, sound, givenStands; never changed in place.
  constructor(fields) {
    Object.assign(this, { made: {}, bars: [], locked: [], sound: null, givenStands: true, ...fields });
  }

  with(fields) {
    const { run, given, givenMetres, transposed } = fields;
    const same = [run, given, givenMetres, transposed].every((field) => field === undefined);
    const sketch = new Sketch({ ...this, ...fields });
    if (same) sketch.#base = this.#base;
    return sketch;
  }

  get nGiven() { return this.givenStands ? this.givenMetres.length : 0; }

  nameOf(recipe) {
    this.#base ??= baseOf(this);
    const [type, ...fields] = fieldsOf(recipe);
    return digest([type, this.#base, ...fields].join(" ")).slice(0, 32);
  }

  // What a model that looks ``memory`` bars back looks at for a written bar.
  before(bar, memory) {
    const names = this.bars.slice(Math.max(0, bar - memory), bar);
    if (this.nGiven && names.length < memory) return [GIVEN, ...names];
    return names.length ? names : [NOISE];
  }

  // What it looks at behind it, and how far away that is. kept: which of the bars stay as they are.
  behind(bar, reach, kept) {
    const end = Math.min(this.bars.length, bar + 1 + reach);
    let first = bar + 1;
    while (first < end && !kept.has(first)) first++;
    if (first >= end) return { towards: [], gap: 0 };
    let last = first;
    while (last < end && kept.has(last)) last++;
    return { towards: this.bars.slice(first, last), gap: first - bar - 1 };
  }

  withBar(bar, recipe) {
    const name = this.nameOf(recipe);
    return this.with({ bars: [...this.bars.slice(0, bar), name, ...this.bars.slice(bar + 1)], made: { ...this.made, [name]: recipe } });
  }

  cut(nBars) {
    return this.with({ bars: this.bars.slice(0, nBars), locked: this.locked.filter((bar) => bar < nBars) });
  }

  // The recipes that some bars rest on, each behind those that it builds on.
  needed(names = this.bars, isKnown = () => false) {
    const found = new Map(), toDo = [...names].reverse().filter((name) => !isKnown(name));
    while (toDo.length) {
      const name = toDo.at(-1);
      const missing = found.has(name) ? [] : buildsOn(this.made[name]).filter((each) => !found.has(each) && !isKnown(each));
      if (missing.length) toDo.push(...missing);
      else {
        found.set(name, this.made[name]);
        toDo.pop();
      }
    }
    return found;
  }

  toJson() {
    return {
      kind: KIND, format: FORMAT, nextbar: globalThis.nextbarVersion ?? "", run: this.run,
      given_bars: this.givenMetres.length, given_stands: this.givenStands, given_metres: this.givenMetres,
      given_notes: this.given, transposed: this.transposed, made: Object.fromEntries(this.needed()),
      bars: this.bars, locked: [...this.locked].sort((a, b) => a - b), sound: this.sound,
    };
  }

  static fromJson(stored) {
    if (stored.kind !== KIND || !FORMATS_READ.includes(stored.format)) {
      throw new Refused(`this is no recipe of nextbar (kind '${stored.kind}', format ${stored.format}, not ${FORMATS_READ.join(" or ")}); give a file that this studio saved`);
    }
    let sketch;
    try {
      const nGiven = stored.given_bars, metres = stored.given_metres ?? Array(nGiven).fill(null);
      if (metres.length !== nGiven) throw new Refused(`given_bars: ${nGiven}, and ${metres.length} metres of them`);
      const made = Object.fromEntries(Object.entries(stored.made).map(([name, each]) => [name, readRecipe(each)]));
      sketch = new Sketch({
        run: String(stored.run), given: stored.given_notes.map((row) => row.slice(0, 4)), givenMetres: metres.map(metreOrNull),
        transposed: stored.transposed, made, locked: [...stored.locked], sound: readSound(stored.sound),
        givenStands: stored.given_stands ?? true,
      });
      const added = {};
      const bars = stored.bars.map((bar) => {
        if (typeof bar === "string") return bar;
        const own = readOwn(bar), name = sketch.nameOf(own);
        added[name] = own;
        return name;
      });
      sketch = sketch.with({ bars, made: { ...made, ...added } });
    } catch (error) {
      throw error instanceof Refused ? error : new Refused(`this recipe is damaged: ${error.message}; save it anew`);
    }
    sketch.#check();
    return sketch;
  }

  #check() {
    const { made, bars } = this, nBars = this.nGiven + bars.length;
    if (nBars > MOST_BARS) throw new Refused(`a sketch has up to ${MOST_BARS} bars; this one has ${nBars}`);
    checkWhole(this.transposed, -MOST_SEMITONES, MOST_SEMITONES, "transposed");
    checkNotes(this.given);
    for (const [name, recipe] of Object.entries(made)) {
      if (this.nameOf(recipe) !== name) {
        throw new Refused(`bar ${name.slice(0, 8)} is not what its recipe says; the recipe was changed by hand, or is of another beginning or another run`);
      }
    }
    const recipes = Object.values(made);
    if (recipes.length > MOST_RECIPES) throw new Refused(`a sketch builds on up to ${MOST_RECIPES} bars; this one on ${recipes.length}`);
    const unknown = [...bars, ...recipes.flatMap(buildsOn)].find((name) => !(name in made));
    if (unknown !== undefined) throw new Refused(`the recipe of bar ${unknown.slice(0, 8)} is missing; save it anew`);
    if (!this.givenMetres.length && recipes.some(({ after = [] }) => after.includes(GIVEN))) throw new Refused("a bar is said to follow given bars, and there are none");
    if (recipes.some((recipe) => isBlend(recipe) && buildsOn(recipe).some((end) => isOwn(made[end])))) {
      throw new Refused("a bar is said to be a blend of one set by hand, which has no latent");
    }
  }
}

function readSound(stored) {
  if (!stored) return null;
  const { tempo, program, name, swing = STRAIGHT } = stored;
  if (!(tempo >= 10 && tempo <= 1000)) throw new Refused(`tempo: ${tempo} is not between 10 and 1,000 quarters a minute`);
  checkWhole(program, 0, 127, "program");
  checkWhole(swing, STRAIGHT, MOST_SWING, "swing");
  return { tempo, program, name: String(name), ...(swing === STRAIGHT ? {} : { swing }) };
}
export { normalMetre, readSound };
