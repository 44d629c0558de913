// The networks that write, in columns: what nextbar.frames.columns, chain and emission are in PyTorch,
// number for number. A frame is a bar: channels x pitches x steps; a column is a step.
//
// Candidates, as many as are drawn side by side, share what is read of the bars before.

import { Memory } from "./product.js";

const SPREADS = [1, 2, 4];    // of the convolutions along the history's columns
const LAST = 2;               // columns at the end that the first part begins from
const LOG_VARIANCES = 10;
const NEVER = -1e4;
const LIKELY = Math.fround(Math.log(1 / 2));
const EPSILON = 1e-5;

export const relu = (numbers) => { for (let i = 0; i < numbers.length; i++) if (!(numbers[i] > 0)) numbers[i] = 0; };
const logistic = (x) => 1 / (1 + Math.exp(-x));

// The probability that a number from N(0, 1) is at most x.
export function normalBelow(x) {
  // The complementary error function by its continued fraction, or its series near 0.
  const z = Math.abs(x) / Math.SQRT2;
  let tail;
  if (z < 2) {
    let term = z, total = z;
    for (let n = 1; n < 80 && Math.abs(term) > 1e-18; n++) {
      term *= (-z * z) / n;
      total += term / (2 * n + 1);
    }
    tail = 1 - (2 / Math.sqrt(Math.PI)) * total;
  } else {
    let fraction = 0;
    for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
    tail = Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + fraction));
  }
  return x > 0 ? 1 - tail / 2 : tail / 2;
}

export class Networks {
  constructor(weights, memory) {
    Object.assign(this, { weights, memory, used: new Set() });
  }

  weight(name) {
    this.used.add(name);
    if (!this.weights[name]) throw new Error(`This model lacks a part that the page needs (${name}); make the page anew.`);
    return this.weights[name];
  }

  values(name) { return this.weight(name).values; }

  linear(name) {
    const { shape: [outputs, inputs], values } = this.weight(`${name}.weight`);
    return this.memory.lay(values, outputs, inputs, this.values(`${name}.bias`));
  }

  norm(name) { return { scale: this.values(`${name}.weight`), offset: this.values(`${name}.bias`) }; }

  // A convolution of three columns: a product for each of them.
  along(name) {
    const { shape: [outputs, inputs], values } = this.weight(`${name}.product.weight`);
    const maps = inputs / 3;
    const three = [0, 1, 2].map((nth) => {
      const part = new Float32Array(outputs * maps);
      for (let out = 0; out < outputs; out++) {
        part.set(values.subarray(out * inputs + nth * maps, out * inputs + (nth + 1) * maps), out * maps);
      }
      return this.memory.lay(part, outputs, maps, nth ? null : this.values(`${name}.product.bias`));
    });
    return { three, maps, outputs };
  }

  residual(name, spread) {
    return { norm: this.norm(`${name}.norm`), along: this.along(`${name}.along`), last: this.linear(`${name}.last`), spread };
  }

  // ------------------------------------------------------------------ what layers do

  // Rows normalised, each with the sum of squares that it has: from one place to another.
  normalise({ scale, offset }, from, step, to, toStep, rows, isPositive) {
    const { numbers } = this.memory, size = scale.length;
    for (let row = 0; row < rows; row++) {
      const source = from + row * step, target = to + row * toStep;
      let total = 0, squares = 0;
      for (let i = 0; i < size; i++) total += numbers[source + i];
      const mean = total / size;
      for (let i = 0; i < size; i++) squares += (numbers[source + i] - mean) ** 2;
      const factor = 1 / Math.sqrt(squares / size + EPSILON);
      for (let i = 0; i < size; i++) {
        const value = (numbers[source + i] - mean) * factor * scale[i] + offset[i];
        numbers[target + i] = isPositive && value < 0 ? 0 : value;
      }
    }
  }

  // Three columns into one, of frames whose columns lie in a padded buffer: ``spread`` on each side.
  convolve({ three, maps }, from, to, toStep, columns, { stride = 1, spread = 1 } = {}) {
    three.forEach((weights, nth) => {
      this.memory.multiply(weights, from + nth * spread * maps, stride * maps, to, toStep, columns, nth ? 0 : weights.bias);
    });
  }

  // A residual block, in place: ``n`` frames of so many columns, behind each other.
  add({ norm, along, last, spread }, at, columns, n = 1) {
    const { maps } = along, { memory, scratch } = this;
    const padded = columns + 2 * spread;
    memory.at(scratch.padded, n * padded * maps).fill(0);
    for (let nth = 0; nth < n; nth++) {
      const inside = scratch.padded + (nth * padded + spread) * maps;
      this.normalise(norm, at + nth * columns * maps, maps, inside, maps, columns, true);
      this.convolve(along, scratch.padded + nth * padded * maps, scratch.hidden + nth * columns * maps, maps, columns, { spread });
    }
    relu(memory.at(scratch.hidden, n * columns * maps));
    memory.multiply(last, scratch.hidden, maps, scratch.added, maps, n * columns);
    const target = memory.at(at, n * columns * maps), added = memory.at(scratch.added, n * columns * maps);
    for (let i = 0; i < target.length; i++) target[i] += added[i];
  }
}

// -------------------------------------------------------------------- the encoder

// What is read off the bars around one, as far as it is there, for the parts of its latent.
export class Encoder extends Networks {
  constructor(weights, memory, { config, shape: [channels, height, width], kinds, slots }) {
    super(weights, memory);
    const [first, maps] = config.encoder_channels;
    this.lags = [...config.history, ...config.ahead.map((lag) => -lag)];
    this.latest = config.history.indexOf(Math.min(...config.history));
    Object.assign(this, { channels, height, width, first, maps, latent: config.latent, normals: config.latent_mixture, slots });
    this.each = this.linear("encoder.each.0");
    this.ofEach = this.residual("encoder.each.1", 1);
    this.together = this.linear("encoder.together.0");
    this.ofAll = SPREADS.map((spread, nth) => this.residual(`encoder.together.${nth + 1}`, spread));
    this.few = [0, 2].map((nth) => this.along(`encoder.summary.${nth}`));
    this.summary = [5, 7].map((nth) => this.linear(`encoder.summary.${nth}`));
    this.place = this.values("encoder.place");
    this.placeInKind = kinds > 1 ? this.values("encoder.place_in_kind") : null;
    this.state = this.linear("encoder.state");
    this.before = this.linear("encoder.parts.before");
    const gate = (kind) => memory.lay(
      this.values(`encoder.parts.recurrent.weight_${kind}_l0`), 3 * maps, maps, this.values(`encoder.parts.recurrent.bias_${kind}_l0`),
    );
    this.gates = { of: gate("ih"), carried: gate("hh") };
    this.carried = this.linear("encoder.parts.carried");
    this.normOut = this.norm("encoder.parts.output.0");
    this.output = [1, 3].map((nth) => this.linear(`encoder.parts.output.${nth}`));
    const half = Math.ceil(width / 2), quarter = Math.ceil(half / 2), few = this.few[0].outputs;
    const wide = Math.max(first, maps), reach = Math.max(...SPREADS);
    this.laid = this.lags.length * (first + 1);
    this.scratch = {
      frame: memory.take(width * channels * height), read: memory.take(width * first),
      laid: memory.take(width * this.laid), columns: memory.take(width * maps),
      padded: memory.take((width + 2 * reach) * wide), hidden: memory.take(width * wide), added: memory.take(width * wide),
      widest: memory.take((width + 2) * maps), half: memory.take((half + 2) * few), quarter: memory.take(quarter * few),
      inner: memory.take(maps), sum: memory.take(maps), end: memory.take(LAST * maps), start: memory.take(maps),
    };
    const of = (size) => memory.take(slots * size);
    this.draws = {
      part: of(this.before.inputs), seen: of(maps), state: of(maps), input: of(3 * maps), kept: of(3 * maps),
      hidden: of(maps), inner: of(maps), output: of(this.output[1].outputs), bias: memory.take(maps),
    };
  }

  // What a bar's frame is read into, (columns, first); kept with the bar.
  read(bar) {
    if (bar.read) return bar.read;
    const { memory, scratch, first, channels, height } = this, rows = channels * height;
    const frame = memory.at(scratch.frame, bar.columns * rows);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < bar.columns; column++) frame[column * rows + row] = bar.roll[row * this.width + column] / 127;
    }
    memory.multiply(this.each, scratch.frame, rows, scratch.read, first, bar.columns);
    this.add(this.ofEach, scratch.read, bar.columns);
    bar.read = memory.at(scratch.read, bar.columns * first).slice();
    return bar.read;
  }

  // The contexts of the parts and the state before the first, for a bar of so many columns of a kind.
  // around: by the lags, bars {roll, columns} or null. Nothing is known where all are null.
  contexts(around, columns, kind) {
    const { memory, scratch, first, maps, width } = this;
    const known = around.map((bar) => (bar && bar.isHeard ? bar : null));
    const long = known.reduce((most, bar) => Math.max(most, bar?.columns ?? 0), columns);
    const laid = memory.at(scratch.laid, long * this.laid).fill(0);
    known.forEach((bar, nth) => {
      if (!bar) return;
      const read = this.read(bar);
      for (let column = 0; column < bar.columns; column++) {
        laid.set(read.subarray(column * first, (column + 1) * first), column * this.laid + nth * first);
        laid[column * this.laid + this.lags.length * first + nth] = 1;
      }
    });
    memory.multiply(this.together, scratch.laid, this.laid, scratch.columns, maps, long);
    for (const block of this.ofAll) this.add(block, scratch.columns, long);
    const all = memory.at(scratch.columns, long * maps);
    const summary = this.#summary(all, long);
    const contexts = new Float32Array(columns * maps);
    const inKind = this.placeInKind?.subarray(kind * width * maps);
    for (let i = 0; i < contexts.length; i++) contexts[i] = all[i] + summary[i % maps] + (this.place[i] + (inKind ? inKind[i] : 0));
    const end = known[this.latest]?.columns ?? columns;
    const ends = memory.at(scratch.end, LAST * maps);
    for (let nth = 0; nth < LAST; nth++) {
      const column = Math.max(end - LAST + nth, 0);
      ends.set(all.subarray(column * maps, (column + 1) * maps), nth * maps);
    }
    memory.multiply(this.state, scratch.end, LAST * maps, scratch.start, maps, 1);
    return { contexts, state: memory.at(scratch.start, maps).slice(), columns };
  }

  #summary(all, long) {
    const { memory, scratch, maps, width } = this;
    const half = Math.ceil(width / 2), quarter = Math.ceil(half / 2), few = this.few[0].outputs;
    memory.at(scratch.widest, (width + 2) * maps).fill(0).set(all.subarray(0, long * maps), maps);
    memory.at(scratch.half, (half + 2) * few).fill(0);
    this.convolve(this.few[0], scratch.widest, scratch.half + few, few, half, { stride: 2 });
    relu(memory.at(scratch.half + few, half * few));
    this.convolve(this.few[1], scratch.half, scratch.quarter, few, quarter, { stride: 2 });
    relu(memory.at(scratch.quarter, quarter * few));
    memory.multiply(this.summary[0], scratch.quarter, quarter * few, scratch.inner, maps, 1);
    relu(memory.at(scratch.inner, maps));
    memory.multiply(this.summary[1], scratch.inner, maps, scratch.sum, maps, 1);
    return memory.at(scratch.sum, maps);
  }

  // Latents, one for each row of noise, (parts of the bar, latent) each: drawn part after part.
  // beginning: the reading of nothing, where ``follow`` is less than 1.
  draw(reading, noise, { temperature, follow }, beginning = null) {
    const { latent, width } = this, { columns } = reading, n = noise.length;
    const moved = width * latent;
    const drawn = noise.map(() => new Float32Array(columns * latent));
    const states = [reading, beginning].map((each) => each && this.#spread(each.state, n));
    let parts = noise.map(() => new Float32Array(latent));
    for (let column = 0; column < columns; column++) {
      const each = [reading, follow < 1 ? beginning : null].map((of, nth) => {
        if (!of) return null;
        const mixtures = this.#mixtures(of.contexts, column, parts, states[nth]);
        return noise.map((row, i) => this.#choose(mixtures, i, row, column, moved, temperature));
      });
      parts = noise.map((row, i) => {
        const follows = follow >= 1 || normalBelow(row[moved + width + column]) < follow;
        return each[follows ? 0 : 1][i];
      });
      parts.forEach((part, i) => drawn[i].set(part, column * latent));
    }
    return drawn;
  }

  #spread(state, n) {
    const all = new Float32Array(n * state.length);
    for (let i = 0; i < n; i++) all.set(state, i * state.length);
    return all;
  }

  // The outputs of which each candidate's mixture is made; the states go on.
  #mixtures(contexts, column, parts, states) {
    const { memory, draws, maps } = this, n = parts.length, { inputs } = this.before;
    const part = memory.at(draws.part, n * inputs);
    parts.forEach((each, i) => part.set(each, i * inputs));
    const bias = memory.at(draws.bias, maps), own = memory.at(this.before.bias, maps);
    for (let i = 0; i < maps; i++) bias[i] = own[i] + contexts[column * maps + i];
    memory.multiply(this.before, draws.part, inputs, draws.seen, maps, n, draws.bias);
    const state = memory.at(draws.state, n * maps);
    state.set(states);
    memory.multiply(this.gates.of, draws.seen, maps, draws.input, 3 * maps, n);
    memory.multiply(this.gates.carried, draws.state, maps, draws.kept, 3 * maps, n);
    const input = memory.at(draws.input, n * 3 * maps), kept = memory.at(draws.kept, n * 3 * maps);
    for (let i = 0; i < n; i++) {
      for (let map = 0; map < maps; map++) {
        const at = 3 * i * maps + map;
        const reset = logistic(input[at] + kept[at]);
        const update = logistic(input[at + maps] + kept[at + maps]);
        const fresh = Math.tanh(input[at + 2 * maps] + reset * kept[at + 2 * maps]);
        state[i * maps + map] = (1 - update) * fresh + update * state[i * maps + map];
      }
    }
    states.set(state);
    memory.multiply(this.carried, draws.state, maps, draws.hidden, maps, n);
    const hidden = memory.at(draws.hidden, n * maps), seen = memory.at(draws.seen, n * maps);
    for (let i = 0; i < hidden.length; i++) hidden[i] += seen[i];
    this.normalise(this.normOut, draws.hidden, maps, draws.hidden, maps, n, false);
    memory.multiply(this.output[0], draws.hidden, maps, draws.inner, maps, n);
    relu(memory.at(draws.inner, n * maps));
    const { outputs } = this.output[1];
    memory.multiply(this.output[1], draws.inner, maps, draws.output, outputs, n);
    return memory.at(draws.output, n * outputs);
  }

  // One candidate's part, of the normal that its noise chooses.
  #choose(outputs, i, noise, column, moved, temperature) {
    const { normals, latent } = this, size = this.output[1].outputs;
    const output = outputs.subarray(i * size, (i + 1) * size), weights = output.subarray(0, normals);
    let nth = 0;
    if (temperature === 0) {
      for (let k = 1; k < normals; k++) if (weights[k] > weights[nth]) nth = k;
    } else {
      const most = Math.max(...weights);
      let total = 0, cumulated = 0;
      for (let k = 0; k < normals; k++) total += Math.exp((weights[k] - most) / temperature);
      const choice = total * normalBelow(noise[moved + column]);
      for (nth = 0; nth < normals - 1; nth++) {
        cumulated += Math.exp((weights[nth] - most) / temperature);
        if (cumulated >= choice) break;
      }
    }
    const means = normals + nth * latent, variances = normals + (normals + nth) * latent;
    const part = new Float32Array(latent), far = Math.sqrt(temperature);
    for (let k = 0; k < latent; k++) {
      const logVariance = Math.min(Math.max(output[variances + k], -LOG_VARIANCES), LOG_VARIANCES);
      part[k] = output[means + k] + noise[column * latent + k] * far * Math.exp(0.5 * logVariance);
    }
    return part;
  }
}

// -------------------------------------------------------------------- the generator

export class Decoder extends Networks {
  constructor(weights, memory, { config, shape: [channels, height, width], slots }) {
    super(weights, memory);
    Object.assign(this, { channels, height, width, latent: config.latent });
    const [first, ...others] = config.generator_channels;
    const block = (nth) => this.residual(`generator.layers.${nth}`, 1);
    this.project = this.along("generator.project");
    this.blocks = [block(0), block(1)];
    let nth = 2;
    for (const _ of others) {
      this.blocks.push(this.along(`generator.layers.${nth}`), block(nth + 1), block(nth + 2));
      nth += 3;
    }
    this.normLast = this.norm(`generator.layers.${nth}`);
    this.last = this.along(`generator.layers.${nth + 2}`);
    this.cells = channels * height;
    const maps = Math.max(first, ...others, config.latent), of = (size) => memory.take(slots * size);
    this.scratch = {
      padded: of((width + 2) * maps), hidden: of(width * maps), added: of(width * maps),
      columns: of(width * maps), other: of(width * maps), output: memory.take(width * this.last.outputs),
    };
    if (config.emission === "causal") this.#order();
  }

  // What a cell says of those behind it, in the order of writing: by rows from below, in each the
  // channels. table: of a cell, what it adds to the others of its column, then to the next one's.
  #order() {
    const { channels, height, cells } = this, weight = this.values("generator.below.weight");
    const row = (cell) => cell % height, place = (cell) => row(cell) * channels + Math.floor(cell / height);
    this.cellAt = new Int32Array(cells);
    for (let cell = 0; cell < cells; cell++) this.cellAt[place(cell)] = cell;
    this.table = new Float32Array(2 * cells * cells);
    for (let of = 0; of < cells; of++) {
      for (let to = 0; to < cells; to++) {
        const own = weight[to * 2 * cells + of], next = weight[to * 2 * cells + cells + of];
        const line = 2 * place(of) * cells + place(to);
        if (place(of) < place(to)) this.table[line] = own;
        if (row(of) <= row(to)) this.table[line + cells] = next;
      }
    }
  }

  // Bars of so many columns of latents, (columns, latent) each: rolls of velocities, as they are heard.
  rolls(latents, columns, threshold) {
    const { memory, scratch, latent } = this, n = latents.length;
    const padded = columns + 2;
    const inside = memory.at(scratch.padded, n * padded * latent).fill(0);
    latents.forEach((each, nth) => inside.set(each.subarray(0, columns * latent), (nth * padded + 1) * latent));
    let from = scratch.columns, to = scratch.other;
    let maps = this.project.outputs;
    for (let nth = 0; nth < n; nth++) {
      this.convolve(this.project, scratch.padded + nth * padded * latent, from + nth * columns * maps, maps, columns);
    }
    for (const block of this.blocks) {
      if (block.last) {
        this.add(block, from, columns, n);
        continue;
      }
      const inside = memory.at(scratch.padded, n * padded * maps).fill(0);
      for (let nth = 0; nth < n; nth++) {
        inside.set(memory.at(from + nth * columns * maps, columns * maps), (nth * padded + 1) * maps);
        this.convolve(block, scratch.padded + nth * padded * maps, to + nth * columns * block.outputs, block.outputs, columns);
      }
      [from, to] = [to, from];
      maps = block.outputs;
    }
    memory.at(scratch.padded, n * padded * maps).fill(0);
    return latents.map((_, nth) => {
      const line = scratch.padded + nth * padded * maps;
      this.normalise(this.normLast, from + nth * columns * maps, maps, line + maps, maps, columns, true);
      this.convolve(this.last, line, scratch.output, this.last.outputs, columns);
      return this.#roll(columns, threshold);
    });
  }

  #roll(columns, threshold) {
    const { memory, scratch, cells, height, width, channels } = this;
    const output = memory.at(scratch.output, columns * this.last.outputs);
    const isThere = this.table ? this.#decide(output, columns) : this.#likely(output, columns);
    const heard = new Uint8Array(cells * width);
    const level = (cell, column) => {
      if (!isThere[column * cells + cell]) return 0;
      const tanh = Math.fround(Math.tanh(output[column * this.last.outputs + cells + cell]));
      return Math.fround(0.5 * Math.fround(1 + tanh));
    };
    for (let row = 0; row < height; row++) {
      let sounded = true;   // what sounded in the bar before is not known here
      for (let column = 0; column < columns; column++) {
        const loud = level(row, column), sounds = loud >= threshold;
        if (sounds) {
          heard[row * width + column] = Math.max(1, roundEven(Math.fround(loud * 127)));
          if (channels > 1 && (!sounded || level(height + row, column) >= 0.5)) heard[(height + row) * width + column] = 127;
        }
        sounded = sounds;
      }
    }
    return heard;
  }

  // Each cell by itself.
  #likely(output, columns) {
    const { cells } = this, isThere = new Uint8Array(columns * cells);
    for (let column = 0; column < columns; column++) {
      for (let cell = 0; cell < cells; cell++) isThere[column * cells + cell] = output[column * this.last.outputs + cell] > 0;
    }
    return isThere;
  }

  // Each cell given those before it, column after column: sums are made in the order in which the
  // package makes them, and are the same to the bit.
  #decide(output, columns) {
    const { cells, table, cellAt } = this;
    const logits = new Float32Array((columns + 1) * cells), isThere = new Uint8Array(columns * cells);
    for (let column = 0; column < columns; column++) {
      for (let place = 0; place < cells; place++) logits[column * cells + place] = output[column * this.last.outputs + cellAt[place]] - LIKELY;
    }
    for (let column = 0; column < columns; column++) {
      const own = column * cells;
      for (let place = 0; place < cells; place++) {
        if (!(logits[own + place] > 0)) continue;
        isThere[own + cellAt[place]] = 1;
        const line = 2 * place * cells;
        for (let to = place + 1; to < cells; to++) logits[own + to] += table[line + to];
        for (let to = 0; to < cells; to++) logits[own + cells + to] += table[line + cells + to];
      }
    }
    return isThere;
  }
}

function roundEven(value) {
  const low = Math.floor(value), rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2) ? low + 1 : low;
}

// Room for the networks of these weights.
export function memoryFor(weights, { shape: [channels, height, width], slots, isPlain = false }) {
  const sizes = Object.values(weights).map(({ values }) => values.length);
  const widest = Object.entries(weights).filter(([name]) => name.endsWith(".bias")).reduce((most, [, { values }]) => Math.max(most, values.length), 0);
  const inputs = Object.values(weights).reduce((most, { shape }) => Math.max(most, shape[1] ?? 0), 0);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  return new Memory(1.25 * all + 12 * slots * (width + 10) * widest + 2 * width * inputs + 40 * channels * height * width + 2e6, { isPlain });
}
