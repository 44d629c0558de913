// Instruments that the page makes by itself, of sums of sines: plainer than sampled ones, but nothing has
// to be loaded, and no one's samples are given away.

const FIRST = 24, APART = 4, KEYS = 22, SECONDS = 3, RATE = 24_000;   // as the page takes them: sound.js

// Of General MIDI's families, by eights: how loud each partial is, how long a note takes to begin, and how
// soon it has died away, in seconds at middle C; 0 lasts.
const STRUCK = { partials: [1, 0.5, 0.32, 0.2, 0.12, 0.08, 0.05, 0.03], begins: 0.003, dies: 1.1 };
const BRIGHT = { partials: [1, 0.8, 0.7, 0.55, 0.45, 0.35, 0.28, 0.2], begins: 0.002, dies: 0.7 };
const BELL = { partials: [1, 0.05, 0.02, 0.35, 0, 0.02, 0, 0.1], begins: 0.002, dies: 0.9 };
const ORGAN = { partials: [1, 0.6, 0.15, 0.4, 0, 0.1, 0, 0.2], begins: 0.03, dies: 0 };
const BOWED = { partials: [1, 0.6, 0.45, 0.3, 0.25, 0.15, 0.1, 0.08], begins: 0.09, dies: 0 };
const BRASS = { partials: [0.8, 1, 0.8, 0.55, 0.35, 0.2, 0.12, 0.06], begins: 0.05, dies: 0 };
const REED = { partials: [1, 0.12, 0.7, 0.1, 0.4, 0.08, 0.2, 0.05], begins: 0.04, dies: 0 };
const PIPE = { partials: [1, 0.22, 0.08, 0.03], begins: 0.06, dies: 0 };
const FAMILIES = [STRUCK, BELL, ORGAN, STRUCK, STRUCK, BOWED, BOWED, BRASS, REED, PIPE, REED, BOWED, BOWED, BRIGHT, BELL, PIPE];

const voiceOf = (program) => (program === 6 || program === 7 ? BRIGHT : FAMILIES[Math.floor(program / 8)]);

// An instrument's notes as a WAV file, 16 bit mono: every fourth key from C1, three seconds each.
export function toneBytes(program) {
  const { partials, begins, dies } = voiceOf(program);
  const length = SECONDS * RATE, samples = new Int16Array(KEYS * length), loudest = partials.reduce((sum, each) => sum + each, 0);
  const note = new Float32Array(length);
  for (let key = 0; key < KEYS; key++) {
    const hertz = 440 * 2 ** ((FIRST + APART * key - 69) / 12);
    note.fill(0);
    partials.forEach((loudness, i) => {
      const own = hertz * (i + 1);
      if (!loudness || own > RATE / 2.2) return;
      // A sine by turning a point round; higher partials and higher keys die sooner.
      const turn = (2 * Math.PI * own) / RATE, fades = dies ? Math.exp(-(Math.sqrt(hertz / 262) * (1 + 0.4 * i)) / (dies * RATE)) : 1;
      const cosine = Math.cos(turn) * fades, sine = Math.sin(turn) * fades;
      let x = loudness, y = 0;
      for (let at = 0; at < length; at++) {
        note[at] += y;
        [x, y] = [x * cosine - y * sine, x * sine + y * cosine];
      }
    });
    for (let at = 0; at < length; at++) {
      const seconds = at / RATE, edge = Math.min(1, seconds / begins, (SECONDS - seconds) / 0.02);
      samples[key * length + at] = Math.round((note[at] / loudest) * edge * 30_000);
    }
  }
  return wav(samples);
}

function wav(samples) {
  const bytes = new Uint8Array(44 + samples.byteLength), view = new DataView(bytes.buffer);
  const text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + samples.byteLength, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, samples.byteLength, true);
  bytes.set(new Uint8Array(samples.buffer), 44);
  return bytes.buffer;
}
