// SHA-256 of bytes or text, in hexadecimal. A browser's own is not there on a plain http address.

const ROUNDS = (() => {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  const fraction = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32);
  return { roots: Uint32Array.from(primes, (p) => fraction(Math.cbrt(p))), start: primes.slice(0, 8).map((p) => fraction(Math.sqrt(p))) };
})();

export function digest(content) {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : new Uint8Array(content);
  const { roots, start } = ROUNDS;
  const state = Uint32Array.from(start), words = new Uint32Array(64);
  const whole = Math.floor(bytes.length / 64) * 64;
  const tail = new Uint8Array(bytes.length - whole > 55 ? 128 : 64);
  tail.set(bytes.subarray(whole));
  tail[bytes.length - whole] = 128;
  new DataView(tail.buffer).setBigUint64(tail.length - 8, BigInt(bytes.length) * 8n);
  const turn = (x, by) => (x >>> by) | (x << (32 - by));
  const take = (block, at) => {
    for (let i = 0; i < 16; i++) {
      const place = at + 4 * i;
      words[i] = (block[place] << 24) | (block[place + 1] << 16) | (block[place + 2] << 8) | block[place + 3];
    }
    for (let i = 16; i < 64; i++) {
      const x = words[i - 15], y = words[i - 2];
      words[i] = words[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + words[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + roots[i] + words[i]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => { state[i] += value; });
  };
  for (let at = 0; at < whole; at += 64) take(bytes, at);
  for (let at = 0; at < tail.length; at += 64) take(tail, at);
  return [...state].map((word) => word.toString(16).padStart(8, "0")).join("");
}
