// Which bar of those around comes again as it stands, as nextbar.frames.pointer has it, and what such a
// bar is decoded from, nearly: what the posterior reads off it.

import { Networks, normalBelow, relu } from "./networks.js";

const LAYERS = [0, 3, 5];   // of the verdict; between them nothing has weights

export class Pointer extends Networks {
  constructor(weights, memory, { config, shape: [channels, height, width] }) {
    super(weights, memory);
    this.n = config.repeats.length + config.ahead.length;
    this.cells = channels * height;
    Object.assign(this, { width });
    this.read = this.linear("pointer.read");
    this.beside = this.along("pointer.along");
    this.verdict = LAYERS.map((nth) => this.linear(`pointer.verdict.${nth}`));
    const size = this.read.outputs;
    this.scratch = {
      frame: memory.take(width * this.cells), seen: memory.take((width + 2) * size), found: memory.take(width * size),
      inputs: memory.take(this.verdict[0].inputs), layers: this.verdict.map(({ outputs }) => memory.take(outputs)),
    };
  }

  // What a bar is read into, and which of its cells are there; kept with the bar.
  #look(bar) {
    if (bar.looked) return bar.looked;
    const { memory, scratch, width, cells } = this, { columns } = bar, size = this.read.outputs;
    const frame = memory.at(scratch.frame, columns * cells).fill(0), there = new Set();
    const sounds = new Uint8Array(columns);
    for (let row = 0; row < cells; row++) {
      for (let column = 0; column < columns; column++) {
        if (!bar.roll[row * width + column]) continue;
        frame[column * cells + row] = 1;
        sounds[column] = 1;
        there.add(row * width + column);
      }
    }
    const inside = memory.at(scratch.seen, (columns + 2) * size).fill(0);
    memory.multiply(this.read, scratch.frame, cells, scratch.seen + size, size, columns);
    relu(inside);
    for (let column = 0; column < columns; column++) if (!sounds[column]) inside.fill(0, (column + 1) * size, (column + 2) * size);
    this.convolve(this.beside, scratch.seen, scratch.found, size, columns);
    const found = memory.at(scratch.found, columns * size), mean = new Float32Array(size);
    relu(found);
    const n = sounds.reduce((sum, each) => sum + each, 0);
    for (let column = 0; column < columns; column++) {
      if (sounds[column]) for (let i = 0; i < size; i++) mean[i] += found[column * size + i] / n;
    }
    bar.looked = { mean, there };
    return bar.looked;
  }

  // For each row of noise the bar of those around that comes again, or null for a new one. around: by the
  // lags, those ahead last, bars {roll, columns, kind, isHeard} or null. kind: of the bar that comes.
  points(around, kind, noise, { temperature, follow, repeat }) {
    const odds = this.#logits(around, kind), most = Math.max(...odds);
    const likely = odds.map((logit, nth) => (nth < this.n ? repeat : 1) * Math.exp(logit - most));
    const total = likely.reduce((sum, each) => sum + each, 0);
    const ofEach = likely.slice(0, -1).map((each) => (each / total) * follow);
    if (temperature === 0) {
      const best = Math.max(...ofEach);
      return noise.map(() => (best >= likely.at(-1) / total ? around[ofEach.indexOf(best)] : null));
    }
    return noise.map((row) => {
      const place = normalBelow(row.at(-1));
      let cumulated = 0;
      return around.find((_, nth) => {
        cumulated += ofEach[nth];
        return cumulated >= place;
      }) ?? null;
    });
  }

  // The logit of each bar's coming again, and last of none; of what cannot be -Infinity.
  #logits(around, kind) {
    const { memory, scratch, n } = this, size = this.read.outputs;
    const known = around.map((bar) => (bar?.isHeard ? this.#look(bar) : null));
    const inputs = memory.at(scratch.inputs, this.verdict[0].inputs).fill(0);
    known.forEach((each, nth) => {
      if (!each) return;
      inputs.set(each.mean, nth * size);
      inputs[n * size + nth] = 1;
    });
    let pair = n * (size + 1);
    const nPairs = (n * (n - 1)) / 2;
    for (let one = 0; one < n; one++) {
      for (let other = one + 1; other < n; other++, pair++) {
        if (!known[one] || !known[other]) continue;
        const [small, large] = [known[one].there, known[other].there].sort((a, b) => a.size - b.size);
        let both = 0;
        for (const cell of small) both += large.has(cell);
        inputs[pair] = both / (small.size + large.size - both);
        inputs[pair + nPairs] = inputs[pair] === 1;
      }
    }
    let from = scratch.inputs;
    this.verdict.forEach((layer, nth) => {
      memory.multiply(layer, from, layer.inputs, scratch.layers[nth], layer.outputs, 1);
      if (nth < LAYERS.length - 1) relu(memory.at(scratch.layers[nth], layer.outputs));
      from = scratch.layers[nth];
    });
    const logits = [...memory.at(from, n + 1)];
    return logits.map((logit, nth) => (nth === n || (known[nth] && around[nth].kind === kind) ? logit : -Infinity));
  }
}

export class Posterior extends Networks {
  constructor(weights, memory, { config, shape: [channels, height, width] }) {
    super(weights, memory);
    Object.assign(this, { cells: channels * height, width, latent: config.latent });
    this.first = this.linear("posterior.layers.0");
    this.blocks = [1, 2].map((nth) => this.residual(`posterior.layers.${nth}`, 1));
    this.normLast = this.norm("posterior.layers.3");
    this.last = this.linear("posterior.layers.5");
    const maps = this.first.outputs;
    this.scratch = {
      frame: memory.take(width * this.cells), columns: memory.take(width * maps), padded: memory.take((width + 2) * maps),
      hidden: memory.take(width * maps), added: memory.take(width * maps), output: memory.take(width * this.last.outputs),
    };
  }

  // The means of the latent of a bar, (columns, latent).
  means({ roll, columns }) {
    const { memory, scratch, cells, width, latent } = this, maps = this.first.outputs;
    const frame = memory.at(scratch.frame, columns * cells);
    for (let row = 0; row < cells; row++) {
      for (let column = 0; column < columns; column++) frame[column * cells + row] = roll[row * width + column] / 127;
    }
    memory.multiply(this.first, scratch.frame, cells, scratch.columns, maps, columns);
    for (const block of this.blocks) this.add(block, scratch.columns, columns);
    this.normalise(this.normLast, scratch.columns, maps, scratch.columns, maps, columns, true);
    memory.multiply(this.last, scratch.columns, maps, scratch.output, this.last.outputs, columns);
    const means = new Float32Array(columns * latent);
    for (let column = 0; column < columns; column++) means.set(memory.at(scratch.output + column * this.last.outputs, latent), column * latent);
    return means;
  }
}
