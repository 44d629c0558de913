// The package's random numbers, to the bit: NumPy's ``default_rng`` (SeedSequence and PCG64), and of
// what it draws normals in single precision and Gumbel's distribution. The same seed is the same music.

const WORD = 2 ** 32;
const MASK_64 = (1n << 64n) - 1n, MASK_128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645n;

// A whole number of up to 53 bits as words of 32, the lowest first.
function wordsOf(number) {
  const words = [number % WORD];
  for (let rest = Math.floor(number / WORD); rest; rest = Math.floor(rest / WORD)) words.push(rest % WORD);
  return words;
}

// The 8 words of a SeedSequence of whole numbers that a PCG64 begins with.
function seedWords(key) {
  const entropy = key.flatMap(wordsOf);
  let constant = 0x43b0d7e5;
  const hash = (value) => {
    value = (value ^ constant) >>> 0;
    constant = Math.imul(constant, 0x931e8875) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mix = (x, y) => {
    const mixed = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const pool = [0, 1, 2, 3].map((i) => hash(entropy[i] ?? 0));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
  }
  for (const word of entropy.slice(4)) {
    for (let to = 0; to < 4; to++) pool[to] = mix(pool[to], hash(word));
  }
  let state = 0x8b51f9dd;
  return [...Array(8).keys()].map((i) => {
    let value = (pool[i % 4] ^ state) >>> 0;
    state = Math.imul(state, 0x58f38ded) >>> 0;
    value = Math.imul(value, state) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  });
}

// The layers of the ziggurat (Marsaglia & Tsang 2000; Doornik 2005), 256 of equal area under the
// density: how wide each is, from which place on a look at the density is needed, and the density.
const TAIL = 3.6541528853610088, AREA = 0.004928673233974655;
const LAYERS = (() => {
  const wide = new Float32Array(256), sure = new Uint32Array(256), density = new Float32Array(256);
  const at = (x) => Math.exp(-0.5 * x * x), all = 2 ** 23;
  let x = TAIL, before = TAIL;
  const base = AREA / at(TAIL);
  sure[0] = Math.round((TAIL / base) * all);
  sure[1] = 0;
  wide[0] = base / all;
  wide[255] = TAIL / all;
  density[0] = 1;
  density[255] = at(TAIL);
  for (let i = 254; i > 0; i--) {
    x = Math.sqrt(-2 * Math.log(AREA / x + at(x)));
    sure[i + 1] = Math.round((x / before) * all);
    before = x;
    wide[i] = x / all;
    density[i] = at(x);
  }
  return { wide, sure, density };
})();

export class Generator {
  #state = 0n;
  #increment;
  #kept = -1;   // the second half of a number of 64 bits; -1: none

  // key: one whole number or several, as ``default_rng`` takes them.
  constructor(key) {
    const words = seedWords(key).map(BigInt);
    const wide = (i) => (words[i + 1] << 96n) | (words[i] << 64n) | (words[i + 3] << 32n) | words[i + 2];
    this.#increment = ((wide(4) << 1n) | 1n) & MASK_128;
    this.#step();
    this.#state = (this.#state + wide(0)) & MASK_128;
    this.#step();
  }

  #step() { this.#state = (this.#state * MULTIPLIER + this.#increment) & MASK_128; }

  #next64() {
    this.#step();
    const mixed = ((this.#state >> 64n) ^ this.#state) & MASK_64;
    const turn = this.#state >> 122n;
    return ((mixed >> turn) | (mixed << (64n - turn))) & MASK_64;
  }

  #next32() {
    if (this.#kept >= 0) {
      const kept = this.#kept;
      this.#kept = -1;
      return kept;
    }
    const both = this.#next64();
    this.#kept = Number(both >> 32n);
    return Number(both & 0xffffffffn);
  }

  #single() { return (this.#next32() >>> 8) / 2 ** 24; }

  // Below 1, in double precision.
  #double() { return Number(this.#next64() >> 11n) / 2 ** 53; }

  // From N(0, 1), in single precision.
  normal() {
    const { wide, sure, density } = LAYERS;
    for (;;) {
      const drawn = this.#next32();
      const layer = drawn & 255, place = (drawn >>> 9) & 0x7fffff;
      const x = Math.fround(place * wide[layer]) * (drawn & 256 ? -1 : 1);
      if (place < sure[layer]) return x;
      if (layer === 0) {
        for (;;) {
          const beyond = Math.fround(Math.fround(-1 / TAIL) * Math.fround(Math.log1p(-this.#single())));
          const height = -Math.fround(Math.log1p(-this.#single()));
          if (Math.fround(height + height) > Math.fround(beyond * beyond)) {
            const far = Math.fround(Math.fround(TAIL) + beyond);
            return (place >>> 8) & 1 ? -far : far;
          }
        }
      }
      const step = Math.fround(density[layer - 1] - density[layer]);
      if (Math.fround(Math.fround(step * this.#single()) + density[layer]) < Math.exp(-0.5 * x * x)) return x;
    }
  }

  // From Gumbel's distribution.
  gumbel() {
    for (;;) {
      const uniform = 1 - this.#double();
      if (uniform < 1) return -Math.log(-Math.log(uniform));
    }
  }
}

// Rows of numbers that follow each other, each drawn when it is first asked for.
export class Rows {
  #rows = [];
  #draw;

  constructor(key, size, kind) {
    const generator = new Generator(key);
    this.#draw = () => Float32Array.from({ length: size }, () => generator[kind]());
  }

  row(nth) {
    while (this.#rows.length <= nth) this.#rows.push(this.#draw());
    return this.#rows[nth];
  }
}
