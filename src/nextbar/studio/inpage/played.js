// Whether a tune was played freely, so that the beats that its file states are none: as is_played of
// nextbar.music.beats finds it. The beats themselves are not looked for here.

const FEW_NOTES = 32, FEWEST_TICKS = 48;
const CLICK = 0.3;                                    // how strongly onsets must agree on where they lie
const PLACES = 24, FULLEST = 4, GATHERED = 0.4;       // of typeset onsets within a sixteenth
const CLEARLY = 2, USUAL_BEAT = 0.62;

export function isPlayed({ tpq, tracks, signatures, tempos }) {
  const notes = tracks.flatMap((part) => part.notes.filter(({ duration }) => duration));
  if (notes.length < FEW_NOTES || tpq < FEWEST_TICKS) return false;
  const isOff = ({ time }) => (4 * time) % tpq !== 0;
  if (tpq % 4 === 0 && 2 * notes.filter(isOff).length <= notes.length) return false;
  const quarters = notes.map(({ time }) => time / tpq), click = findClick(quarters);
  if (click === null) {
    const places = Array(PLACES).fill(0);
    for (const quarter of quarters) places[Math.floor(quarter * 4 * PLACES + 0.5) % PLACES]++;
    const fullest = places.sort((a, b) => b - a).slice(0, FULLEST);
    return fullest.reduce((sum, n) => sum + n, 0) < GATHERED * notes.length;
  }
  const weight = weighPlaces(notes, quarters, click, secondsOf(tempos, tpq));
  const isBeside = Math.max(...weight) > CLEARLY * weight[0];
  const stated = new Set(signatures.map(({ metre }) => metre.join("/")));
  if (stated.size === 1 && stated.has("1/4")) {
    const exact = quarters.filter((quarter) => Math.abs(quarter * 12 - Math.round(quarter * 12)) / 12 <= 0.5 / tpq);
    return isBeside || exact.length <= 0.9 * quarters.length;
  }
  return isBeside && stated.size < 2;
}

// On which grid onsets lie that is shifted against the quarters: parts of one, and by how much; or null.
function findClick(quarters) {
  let best = CLICK, found = null;
  for (const parts of [4, 3]) {
    const mean = (of) => quarters.reduce((sum, quarter) => sum + of(2 * Math.PI * parts * quarter), 0) / quarters.length;
    const along = mean(Math.cos), across = mean(Math.sin), strength = Math.hypot(along, across);
    if (strength <= best) continue;
    best = strength;
    found = { parts, shift: Math.atan2(across, along) / (2 * Math.PI * parts) };
  }
  return found;
}

// How much lies on each part of the quarters: longer and lower notes count more.
function weighPlaces(notes, quarters, { parts, shift }, seconds) {
  const weight = Array(parts).fill(0), pitches = notes.map(({ pitch }) => pitch).sort((a, b) => a - b);
  const half = pitches.length / 2, middle = (pitches[Math.floor(half)] + pitches[Math.ceil(half) - 1]) / 2;
  notes.forEach(({ time, duration, pitch }, i) => {
    const length = Math.min(seconds(time + duration) - seconds(time), 2 * USUAL_BEAT) / USUAL_BEAT;
    const place = Math.round((quarters[i] - shift) * parts) % parts;
    weight[(place + parts) % parts] += 0.1 + length + Math.min(Math.max((middle - pitch) / 12, 0), 3);
  });
  return weight;
}

// From ticks to seconds, by the tempos.
function secondsOf(tempos, tpq) {
  const lines = [{ tick: 0, mspq: 500_000, at: 0 }];
  for (const { tick, mspq } of tempos) {
    const last = lines.at(-1), at = last.at + ((tick - last.tick) * last.mspq) / tpq / 1e6;
    lines.push({ tick, mspq, at });
  }
  return (tick) => {
    const line = lines.findLast((each) => each.tick <= tick) ?? lines[0];
    return line.at + ((tick - line.tick) * line.mspq) / tpq / 1e6;
  };
}
