// The discriminator of phrases, nextbar.frames.phrases in PyTorch: of bars drawn side by side one is
// taken, by its odds of being real behind the three before it.
//
// Of the four bars only the last differs: what convolutions read of the others is computed once.

export const PHRASE = 4;
const EPSILON = 1e-5;
const ROWS = 5, COLUMNS = 4;    // of the first convolution, which goes by whole steps of COLUMNS

export class Critic {
  constructor(weights, memory, { shape: [channels, height, width] }) {
    Object.assign(this, { memory, channels, height, width });
    const values = (name) => weights[name].values;
    // A convolution, and its normalisation as a factor and an offset of each map.
    const folded = (nth) => {
      const norm = `phrases.hidden.${nth + 1}`, mean = values(`${norm}.running_mean`);
      const factor = values(`${norm}.weight`).map((scale, i) => scale / Math.sqrt(values(`${norm}.running_var`)[i] + EPSILON));
      const offset = values(`${norm}.bias`).map((bias, i) => bias - mean[i] * factor[i]);
      return { kernel: weights[`phrases.hidden.${nth}.weight`], factor, offset };
    };
    this.first = this.#firstLayer(folded(0));
    this.layers = [3, 6, 9].map((nth) => this.#layer(folded(nth)));
    let high = height, wide = Math.floor((PHRASE * width - COLUMNS) / COLUMNS) + 1;
    let old = Math.floor(((PHRASE - 1) * width) / COLUMNS);   // columns of maps that the last bar says nothing of
    // Maps lie row by row, (high, wide, maps), with a border of zeros around.
    this.maps = [{ high, wide, old, size: this.first.offset.length }];
    for (const { outputs } of this.layers) {
      old = Math.max(0, Math.ceil((old - 1) / 2));
      high = Math.floor((high - 1) / 2) + 1;
      wide = Math.floor((wide - 1) / 2) + 1;
      this.maps.push({ high, wide, old, size: outputs });
    }
    for (const each of this.maps) {
      each.line = (each.wide + 2) * each.size;
      each.place = memory.take((each.high + 2) * each.line);
    }
    const size = this.maps.at(-1).size;
    const lay = (name, outputs, inputs) => memory.lay(values(`${name}.weight`), outputs, inputs, values(`${name}.bias`));
    const inner = values("phrases.verdict.0.bias").length;
    this.verdict = [lay("phrases.verdict.0", inner, 2 * size), lay("phrases.verdict.2", 1, inner)];
    this.scratch = { found: memory.take(2 * size), inner: memory.take(inner), logit: memory.take(8) };
  }

  // What a cell adds to the maps of the rows around it: (channel, row of the kernel, column of it, maps).
  #firstLayer({ kernel: { shape: [outputs, channels], values }, factor, offset }) {
    const table = new Float32Array(values.length);
    for (let out = 0; out < outputs; out++) {
      for (let i = 0; i < channels * ROWS * COLUMNS; i++) table[i * outputs + out] = values[out * channels * ROWS * COLUMNS + i] * factor[out];
    }
    return { table, offset };
  }

  // Kernels of 3 x 3: a product for each of their rows, with three columns of maps beside each other.
  #layer({ kernel: { shape: [outputs, inputs], values }, factor, offset }) {
    const rows = [0, 1, 2].map((y) => {
      const part = new Float32Array(outputs * 3 * inputs);
      for (let out = 0; out < outputs; out++) {
        for (let x = 0; x < 3; x++) {
          for (let i = 0; i < inputs; i++) part[(out * 3 + x) * inputs + i] = values[((out * inputs + i) * 3 + y) * 3 + x] * factor[out];
        }
      }
      return this.memory.lay(part, outputs, 3 * inputs, y ? null : offset);
    });
    return { rows, outputs };
  }

  // The first maps, from a column on, of rolls beside each other; null is silence.
  #begin(rolls, fromColumn) {
    const { memory: { numbers }, channels, height, width } = this;
    const { table, offset } = this.first, { wide, line, place, size } = this.maps[0];
    const target = (row, column) => place + (row + 1) * line + (column + 1) * size;
    for (let row = 0; row < height; row++) {
      for (let column = fromColumn; column < wide; column++) numbers.set(offset, target(row, column));
    }
    rolls.forEach((roll, nth) => {
      if (!roll) return;
      for (let step = 0; step < width; step++) {
        const along = nth * width + step, column = Math.floor(along / COLUMNS), x = along % COLUMNS;
        if (column < fromColumn || column >= wide) continue;
        for (let channel = 0; channel < channels; channel++) {
          for (let row = 0; row < height; row++) {
            if (!roll[(channel * height + row) * width + step]) continue;
            for (let y = 0; y < ROWS; y++) {
              const to = row - y + 2;
              if (to < 0 || to >= height) continue;
              const from = ((channel * ROWS + y) * COLUMNS + x) * size, at = target(to, column);
              for (let i = 0; i < size; i++) numbers[at + i] += table[from + i];
            }
          }
        }
      }
    });
    for (let row = 0; row < height; row++) {
      for (let at = target(row, fromColumn); at < target(row, wide); at++) if (numbers[at] < 0) numbers[at] = 0;
    }
  }

  // All maps behind the first, from those columns on that ``isNew`` says.
  #goOn(isNew) {
    const { memory } = this, { numbers } = memory;
    this.layers.forEach(({ rows }, nth) => {
      const from = this.maps[nth], to = this.maps[nth + 1];
      for (let column = isNew ? to.old : 0; column < to.wide; column++) {
        const target = to.place + to.line + (column + 1) * to.size;
        rows.forEach((weights, y) => {
          const source = from.place + y * from.line + 2 * column * from.size;
          memory.multiply(weights, source, 2 * from.line, target, to.line, to.high, y ? 0 : weights.bias);
        });
        for (let row = 0; row < to.high; row++) {
          for (let at = target + row * to.line; at < target + row * to.line + to.size; at++) if (numbers[at] < 0) numbers[at] = 0;
        }
      }
    });
  }

  #judge() {
    const { memory, scratch } = this, { numbers } = memory, { high, wide, line, place, size } = this.maps.at(-1);
    const found = memory.at(scratch.found, 2 * size).fill(0);
    for (let row = 0; row < high; row++) {
      for (let column = 0; column < wide; column++) {
        const at = place + (row + 1) * line + (column + 1) * size;
        for (let i = 0; i < size; i++) {
          found[i] += numbers[at + i];
          if (numbers[at + i] > found[size + i]) found[size + i] = numbers[at + i];
        }
      }
    }
    for (let i = 0; i < size; i++) found[i] /= high * wide;
    const [inner, last] = this.verdict;
    memory.multiply(inner, scratch.found, 2 * size, scratch.inner, inner.outputs, 1);
    const hidden = memory.at(scratch.inner, inner.outputs);
    for (let i = 0; i < hidden.length; i++) if (hidden[i] < 0) hidden[i] = 0;
    memory.multiply(last, scratch.inner, inner.outputs, scratch.logit, 1, 1);
    return numbers[scratch.logit];
  }

  // The logit of each candidate's being real behind the rolls before it, the latest last; null is none.
  logits(before, candidates) {
    const last = before.slice(-(PHRASE - 1));
    const front = [...Array(PHRASE - 1 - last.length).fill(null), ...last];
    this.#begin([...front, null], 0);
    this.#goOn(false);
    return candidates.map((roll) => {
      this.#begin([...front, roll], this.maps[0].old);
      this.#goOn(true);
      return this.#judge();
    });
  }
}
