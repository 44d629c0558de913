// Matrix products in WebAssembly with SIMD, which is all that takes time in a network. The few
// instructions are written down here, so that there is nothing to build and nothing that cannot be
// read; where a browser has no SIMD, JavaScript does the same, some ten times as slowly.
//
// Everything lies in one memory, as numbers in single precision; places count these.

const PANEL = 8;          // outputs that are computed at once
const ROWS = 4;           // rows that are
const PAGE = 65_536;
const F32 = 4;

// -------------------------------------------------------------------- the instructions

const number = (value) => {   // LEB128, signed
  const bytes = [];
  for (;;) {
    const byte = value & 127;
    value >>= 7;
    const isLast = value === (byte & 64 ? -1 : 0);
    bytes.push(isLast ? byte : byte | 128);
    if (isLast) return bytes;
  }
};
const count = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...count(value >>> 7)]);
const I32 = 0x7f, V128 = 0x7b, EMPTY = 0x40;
const get = (local) => [0x20, ...count(local)];
const set = (local) => [0x21, ...count(local)];
const constant = (value) => [0x41, ...number(value)];
const add = [0x6a], minus = [0x6b], times = [0x6c];
const simd = (code, ...rest) => [0xfd, ...count(code), ...rest];
const at = (offset) => [2, ...count(offset)];   // a place in memory, aligned to 4 bytes
const load = (pointer, offset) => [...get(pointer), ...simd(0, ...at(offset))];
const splat = (pointer, offset) => [...get(pointer), ...simd(9, ...at(offset))];
const store = (pointer, offset, value) => [...get(pointer), ...get(value), ...simd(11, ...at(offset))];
const sum = simd(0xe4), product = simd(0xe6);
const move = (local, by) => [...get(local), ...by, ...add, ...set(local)];
// Does the work while the local is at least ``least``; the work makes it smaller.
const whileAtLeast = (local, least, work) => [
  0x02, EMPTY, 0x03, EMPTY,
  ...get(local), ...constant(least), 0x48, 0x0d, 1,   // less: out of the block
  ...work,
  0x0c, 0, 0x0b, 0x0b,
];

function assemble() {
  // Parameters, and locals behind them, in bytes where they are places.
  const [a, aStep, length, w, bias, c, cStep, rows, panels] = [...Array(9).keys()];
  const [left, aNow, cNow, wNow, k] = [9, 10, 11, 12, 13];
  const line = (row) => 14 + row, outLine = (row) => 14 + ROWS + row;
  const first = 14 + 2 * ROWS;
  const sums = (row, half) => first + 2 * row + half;
  const weight = (half) => first + 2 * ROWS + half, factor = first + 2 * ROWS + 2;

  const tile = (nRows) => {
    const each = [...Array(nRows).keys()], halves = [0, 1];
    const lines = each.flatMap((row) => [
      ...get(aNow), ...get(aStep), ...constant(row), ...times, ...add, ...set(line(row)),
      ...get(cNow), ...get(cStep), ...constant(row), ...times, ...add, ...set(outLine(row)),
    ]);
    const begin = (pointer) => each.flatMap((row) => halves.flatMap((half) => [
      ...load(pointer(row), 16 * half), ...set(sums(row, half)),
    ]));
    const step = (nth) => [
      ...halves.flatMap((half) => [...load(wNow, 32 * nth + 16 * half), ...set(weight(half))]),
      ...each.flatMap((row) => [
        ...splat(line(row), F32 * nth), ...set(factor),
        ...halves.flatMap((half) => [
          ...get(sums(row, half)), ...get(factor), ...get(weight(half)), ...product, ...sum, ...set(sums(row, half)),
        ]),
      ]),
    ];
    const steps = (n) => [
      ...[...Array(n).keys()].flatMap(step),
      ...move(wNow, constant(32 * n)), ...each.flatMap((row) => move(line(row), constant(F32 * n))),
      ...get(k), ...constant(n), ...minus, ...set(k),
    ];
    return [
      ...lines,
      ...get(bias), 0x04, EMPTY, ...begin(() => bias), 0x05, ...begin(outLine), 0x0b,
      ...get(w), ...set(wNow), ...get(length), ...set(k),
      ...whileAtLeast(k, 4, steps(4)), ...whileAtLeast(k, 1, steps(1)),
      ...each.flatMap((row) => halves.flatMap((half) => store(outLine(row), 16 * half, sums(row, half)))),
      ...move(aNow, [...get(aStep), ...constant(nRows), ...times]),
      ...move(cNow, [...get(cStep), ...constant(nRows), ...times]),
      ...get(left), ...constant(nRows), ...minus, ...set(left),
    ];
  };
  const body = whileAtLeast(panels, 1, [
    ...get(rows), ...set(left), ...get(a), ...set(aNow), ...get(c), ...set(cNow),
    ...whileAtLeast(left, ROWS, tile(ROWS)), ...whileAtLeast(left, 1, tile(1)),
    ...move(w, [...get(length), ...constant(F32 * PANEL), ...times]), ...move(c, constant(F32 * PANEL)),
    ...get(bias), 0x04, EMPTY, ...move(bias, constant(F32 * PANEL)), 0x0b,
    ...get(panels), ...constant(1), ...minus, ...set(panels),
  ]);
  const code = [2, ...count(first - 9), I32, ...count(2 * ROWS + 3), V128, ...body, 0x0b];
  const section = (id, content) => [id, ...count(content.length), ...content];
  const name = (text) => [text.length, ...[...text].map((letter) => letter.charCodeAt(0))];
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 9, ...Array(9).fill(I32), 0]),
    ...section(2, [1, ...name("it"), ...name("memory"), 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name("product"), 0, 0]),
    ...section(10, [1, ...count(code.length), ...code]),
  ]);
}

// -------------------------------------------------------------------- the memory

export class Memory {
  #run = null;
  #aside = PANEL;      // place 0 says that there is none
  #used = 2 * PANEL;

  // size: how many numbers it has room for. isPlain: without WebAssembly's instructions.
  constructor(size, { isPlain = false } = {}) {
    const bytes = assemble();
    if (isPlain || !globalThis.WebAssembly?.validate(bytes)) {
      this.numbers = new Float32Array(Math.ceil(size));
      return;
    }
    const memory = new WebAssembly.Memory({ initial: Math.ceil((size * F32) / PAGE) + 1 });
    this.numbers = new Float32Array(memory.buffer);
    this.#run = new WebAssembly.Instance(new WebAssembly.Module(bytes), { it: { memory } }).exports.product;
  }

  // Room for so many numbers, 0 each; gives its place.
  take(size) {
    const place = this.#used;
    this.#used += Math.ceil(size / PANEL) * PANEL;
    if (this.#used > this.numbers.length) throw new RangeError("the networks need more room than was counted");
    return place;
  }

  // What stands in so many numbers from a place on.
  at(place, size) { return this.numbers.subarray(place, place + size); }

  // Weights (outputs x inputs, row by row) as ``multiply`` wants them.
  lay(weights, outputs, inputs, bias = null) {
    const panels = Math.ceil(outputs / PANEL), { numbers } = this;
    const place = this.take(panels * PANEL * inputs);
    for (let out = 0; out < outputs; out++) {
      const panel = place + Math.floor(out / PANEL) * PANEL * inputs + (out % PANEL);
      for (let i = 0; i < inputs; i++) numbers[panel + i * PANEL] = weights[out * inputs + i];
    }
    const offset = this.take(panels * PANEL);
    if (bias) numbers.set(bias, offset);
    return { place, inputs, outputs, bias: offset };
  }

  // Rows of products: for each row of inputs at ``from``, ``step`` apart, a row of outputs at ``to``,
  // ``toStep`` apart. bias: where what is added stands; 0 adds to what is there.
  multiply(weights, from, step, to, toStep, rows, bias = weights.bias) {
    const { place, inputs, outputs } = weights;
    const panels = Math.floor(outputs / PANEL), whole = panels * PANEL, rest = outputs - whole;
    if (rows <= 0) return;
    if (panels) this.#panels(place, inputs, panels, from, step, to, toStep, rows, bias);
    if (!rest) return;
    // A last panel that is not full has a place of its own, so that nothing is written beyond a row.
    const { numbers } = this, aside = this.#aside;
    for (let row = 0; row < rows; row++) {
      const source = bias ? bias + whole : to + row * toStep + whole;
      numbers.copyWithin(aside, source, source + rest);
      this.#panels(place + whole * inputs, inputs, 1, from + row * step, step, aside, PANEL, 1, 0);
      numbers.copyWithin(to + row * toStep + whole, aside, aside + rest);
    }
  }

  #panels(place, inputs, panels, from, step, to, toStep, rows, bias) {
    if (this.#run) {
      this.#run(F32 * from, F32 * step, inputs, F32 * place, F32 * bias, F32 * to, F32 * toStep, rows, panels);
      return;
    }
    const { numbers } = this;
    for (let row = 0; row < rows; row++) {
      for (let out = 0; out < panels * PANEL; out++) {
        const panel = place + Math.floor(out / PANEL) * PANEL * inputs + (out % PANEL);
        const target = to + row * toStep + out, source = from + row * step;
        let total = bias ? numbers[bias + out] : numbers[target];
        for (let i = 0; i < inputs; i++) total += numbers[source + i] * numbers[panel + i * PANEL];
        numbers[target] = total;
      }
    }
  }
}
