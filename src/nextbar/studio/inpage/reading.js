// A MIDI file of somebody's own -> its notes on the grid of a model's music, as the studio's server reads it
// (nextbar.studio.uploads, nextbar.music.reading). What it cannot read, it says.

import { barsUpTo, findBarLines, layBars } from "./barlines.js";
import { LOWEST, PITCHES, endAtNextOnset, normalMetre, semitonesToC } from "./bars.js";
import { isPlayed } from "./played.js";
import { Refused } from "./refused.js";
import { MOST_BARS } from "./sketch.js";
import { readTunes } from "./tune.js";

const MOST_NOTES = 8192, LARGEST_BYTES = 4 * 2 ** 20, MOST_STRETCHES = 8, MOST_TRACKS = 8;
const SUFFIXES = [".mid", ".midi", ".kar", ".rmi", ".smf"];

export function readUpload(buffer, { name = "upload.mid", track = "all", tune: asked }, kind) {
  if (!SUFFIXES.some((suffix) => name.toLowerCase().endsWith(suffix))) {
    throw new Refused(`${name}: this page reads MIDI files. nextbar studio reads ABC and MusicXML too.`);
  }
  if (buffer.byteLength > LARGEST_BYTES) throw new Refused(`${name}: it has over ${LARGEST_BYTES / 2 ** 20} MB; give a smaller file`);
  if (kind.grid !== "metre") throw new Refused(`${name}: this model counts in seconds; nextbar studio lays files on its grid.`);
  const tunes = readTunes(buffer, name), errors = [], pieces = [];
  for (const each of asked ? tunes.filter(({ number }) => number === Number(asked)) : tunes) {
    try {
      if (each.error) throw each.error;
      pieces.push(pieceOf(each, track, kind));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      errors.push(error);
    }
  }
  const usable = pieces.filter(({ metres }) => metres.some((metre) => kind.metres.includes(metre)));
  const [piece] = usable;
  if (!piece && pieces.length) throw new Refused(`${sayMetre(pieces[0], kind)}; give a piece in ${kind.metres.join(" or ")}`);
  if (!piece) throw errors[0] ?? new Refused(`${name}: it has ${tunes.length} tunes, and no tune ${asked}; choose one that there is`);
  return answer(piece, { tunes, usable, errors, pieces }, kind);
}

const sayMetre = ({ name, metres }, kind) => `${name}: it is in ${mostOf(metres)}, and this model writes ${kind.metres.join(", ")}`;

function mostOf(metres) {
  const count = (metre) => metres.filter((each) => each === metre).length;
  return [...new Set(metres)].reduce((best, metre) => (count(metre) > count(best) ? metre : best));
}

// The notes of the chosen tracks on the grid, and the metre of each bar up to the end of the last.
function pieceOf(tune, track, kind) {
  const { name, tpq } = tune, steps = kind.stepsPerQuarter;
  const chosen = track === "all" ? tune.tracks : tune.tracks.slice(Number(track) - 1, Number(track));
  if (!chosen.length) throw new Refused(`${name}: no track ${track}; choose another track, or all tracks`);
  const raw = chosen.flatMap(({ notes }) => notes.filter(({ duration }) => duration));
  if (!raw.length) throw new Refused(`${name}: none of its notes has a length; choose another track, or all tracks`);
  if (isPlayed(tune)) {
    throw new Refused(`${name}: its notes lie beside the sixteenths, as of music that was played freely; nextbar studio reads it, and finds its beats`);
  }
  const laid = layBars(tune, findBarLines(tune), steps);
  const moved = fillUp(raw, laid);
  const heard = moved.filter(({ pitch, velocity }) => velocity > 0 && pitch >= LOWEST && pitch < LOWEST + PITCHES);
  const place = (ticks) => Math.floor(ticks * (steps / tpq) + laid.shift + 0.5);
  const placed = heard.map(({ time, duration, pitch, velocity }) => {
    const start = place(time);
    return [start, Math.max(place(time + duration) - start, 1), pitch, velocity];
  });
  const notes = endAtNextOnset(placed);
  if (!notes.length) throw new Refused(`${name}: no notes between A0 and C8 on track '${track}'; choose another track, or all tracks`);
  const end = notes.reduce((most, [start, duration]) => Math.max(most, start + duration), 0);
  const { metres, told } = barsUpTo(laid, end, steps);
  return {
    tune, name, track, chosen, notes, metres: metres.map((metre) => metre.join("/")), told,
    onsets: heard.map(({ time }) => time * (steps / tpq) + laid.shift), nDropped: moved.length - heard.length, nMerged: heard.length - notes.length,
  };
}

// The notes with silence put in where bars are filled up: at ascending ticks.
function fillUp(notes, { ticks, lacking }) {
  if (!ticks.length) return notes;
  let sum = 0;
  const later = [0, ...lacking.map((each) => sum += each)];
  // How much is put in before a time; at the time itself only before what begins there.
  const before = (time, isEnd) => {
    let low = 0, high = ticks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isEnd ? ticks[middle] < time : ticks[middle] <= time) low = middle + 1;
      else high = middle;
    }
    return later[low];
  };
  return notes.map((note) => {
    const end = note.time + note.duration, time = note.time + before(note.time, false);
    return { ...note, time, duration: end + before(end, true) - time };
  });
}

// Quarters a minute at the tune's first note.
function tempoOf({ tempos, span: [first] }) {
  const usable = tempos.filter(({ mspq }) => mspq >= 60_000 && mspq <= 6_000_000);
  if (usable.length === 1 && usable[0].tick <= 0) return 60e6 / usable[0].mspq;
  const governing = usable.filter(({ tick }) => tick <= first).at(-1);
  return governing ? 60e6 / governing.mspq : 120;
}

// -------------------------------------------------------------------- what is told of it

function answer(piece, found, kind) {
  const { tune, chosen } = piece, bars = Math.min(piece.metres.length, MOST_BARS);
  // As the file has them: 2/2 where that is stated, and not 4/4.
  const stated = new Map();
  for (const { metre } of tune.signatures) {
    const text = metre.join("/"), normal = metre.includes(0) ? text : normalMetre(text);
    if (!stated.has(normal)) stated.set(normal, text);
  }
  const known = piece.metres.slice(0, bars).map((metre) => kind.metres.includes(metre));
  const metres = piece.metres.slice(0, bars).map((metre) => stated.get(metre) ?? metre);
  const starts = kind.startsOf(metres), end = starts.at(-1);
  const kept = piece.notes.filter(([start, duration]) => start + duration <= end).slice(0, MOST_NOTES);
  const [[first]] = piece.notes;
  const nSilent = kind.startsOf(piece.metres).findLastIndex((start) => start <= first);
  const fullest = chosen.reduce((most, part) => (part.notes.length > most.notes.length ? part : most));
  return {
    tracks: tune.tracks.map(({ name, notes }, i) => ({ number: i + 1, name: name.slice(0, 80), notes: notes.filter(({ duration }) => duration).length })),
    tune: tune.number, tunes: found.tunes.length,
    choices: found.usable.map((each) => ({ number: each.tune.number, name: (each.chosen.find(({ name }) => name)?.name ?? "").slice(0, 80) })),
    notes: kept, bars, metres, starts, known, first_bar: nSilent + 1,
    sound: { tempo: tempoOf(tune), program: fullest.program, name: fullest.name },
    says: [...remarks(piece, found, nSilent, kind), ...sayUnknown(piece.name, metres, known)],
    transposed: kind.commonKey ? semitonesToC(piece.notes) : 0,
    cut: kept.length < piece.notes.length,
  };
}

function leftOut({ tune, chosen, told, nDropped, nMerged }) {
  const sum = (of) => chosen.reduce((total, part) => total + of(part), 0), { tempos, span: [first] } = tune;
  const line = [tempos.filter(({ tick }) => tick <= first).at(-1)?.mspq ?? 500_000, ...tempos.filter(({ tick }) => tick > first).map(({ mspq }) => mspq)];
  return {
    "notes of no length, left out": sum(({ nGrace, notes }) => nGrace + notes.filter(({ duration }) => !duration).length),
    "notes on the drum channel, left out": tune.nDrums,
    "notes that never end, held to the end of their track": sum(({ nUnended }) => nUnended),
    ...told,
    "changes of tempo, left out": line.slice(1).filter((mspq, i) => mspq !== line[i]).length,
    "other instruments than that of its fullest track, left out": new Set(chosen.map(({ program }) => program)).size - 1,
    "notes outside of A0 to C8, left out": nDropped,
    "notes that begin with another of their pitch, left out": nMerged,
  };
}

function remarks(piece, { errors, pieces }, nSilent, kind) {
  const { name } = piece, says = [];
  const why = [...errors.map((error) => error.message.split(";")[0]), ...pieces.slice(0, pieces.indexOf(piece)).map((each) => sayMetre(each, kind))];
  if (why.length) says.push(`passed over: ${why[0]}${why.length > 1 ? `, and ${why.length - 1} more tunes` : ""}`);
  if (nSilent) says.push(`${name}: ${nSilent === 1 ? "bar 1 is" : `bars 1 to ${nSilent} are`} silent and left out; the piece begins with its bar ${nSilent + 1}`);
  const { tracks } = piece.tune;
  if (piece.track === "all" && tracks.length > 1) {
    const named = tracks.map((each, i) => (each.name ? `${i + 1} (${each.name})` : `${i + 1}`));
    const more = named.length > MOST_TRACKS ? ` and ${named.length - MOST_TRACKS} more` : "";
    says.push(`${name}: its ${named.length} tracks are gone on from as one: ${named.slice(0, MOST_TRACKS).join(", ")}${more}`);
  }
  for (const [what, n] of Object.entries(leftOut(piece))) if (n) says.push(`${name}: ${n} ${what}`);
  const off = piece.onsets.filter((onset) => Math.abs(onset - Math.round(onset)) > 0.01 * kind.stepsPerQuarter).length;
  if (off >= Math.max(3, 0.02 * piece.onsets.length)) says.push(`${name}: ${off} onsets lie between the steps of this model, ${kind.stepsPerQuarter} a quarter, and are moved to them`);
  return says;
}

// Which bars the model can go on from, where it does not know all metres.
function* sayUnknown(name, metres, known) {
  const unknown = [...new Set(metres.filter((_, i) => !known[i]))];
  if (!unknown.length) return;
  const stretches = [];
  for (let bar = 0; bar < known.length; bar++) {
    if (!known[bar]) continue;
    let last = bar;
    while (known[last + 1]) last++;
    stretches.push(last > bar ? `${bar + 1} to ${last + 1}` : `${bar + 1}`);
    bar = last;
  }
  const shown = stretches.slice(0, MOST_STRETCHES).join(", ") + (stretches.length > MOST_STRETCHES ? ", and others" : "");
  const word = known.filter(Boolean).length === 1 ? "bar" : "bars";
  yield `${name}: the model does not know ${unknown.join(" or ")}; ${stretches.length ? `it can go on from ${word} ${shown}` : "choose another"}`;
}
