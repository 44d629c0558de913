// The bytes of a MIDI file -> tunes in ticks: what nextbar.music's midi and midi_events read. The events are
// read by midi-file; here is which note each end belongs to, and what is refused.

import { Refused } from "./refused.js";
import { parseMidi } from "./vendor/midi-file.js";

const DRUMS = 9, MOST_SEQUENCES = 1000, LONGEST_QUARTERS = 14_400;
const SAVE_ANEW = "save it anew from a music program";
const word = (bytes, at) => ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
const isAt = (bytes, at, text) => [...text].every((letter, i) => bytes[at + i] === letter.charCodeAt(0));

// The contents of a file's tracks, and its header: of one whose header is longer, or which is wrapped.
function split(bytes, name) {
  if (!bytes.length) throw new Refused(`${name}: it has no content; ${SAVE_ANEW}`);
  let from = 0;
  if (isAt(bytes, 0, "RIFF")) while (from < bytes.length && !isAt(bytes, from, "MThd")) from++;
  if (!isAt(bytes, from, "MThd")) throw new Refused(`${name}: it does not begin with MThd; save it as MIDI from a music program`);
  bytes = bytes.subarray(from);
  if (bytes.length < 14) throw new Refused(`${name}: it ends within its header; ${SAVE_ANEW}`);
  const division = (bytes[12] << 8) | bytes[13];
  if (division & 0x8000) throw new Refused(`${name}: its times are in SMPTE frames, not in beats; save it anew with times in beats`);
  if (!division) throw new Refused(`${name}: it states 0 ticks a quarter note; ${SAVE_ANEW}`);
  const chunks = [];
  for (let at = 8 + Math.max(word(bytes, 4), 6); at + 8 <= bytes.length;) {
    const end = at + 8 + word(bytes, at + 4);
    if (isAt(bytes, at, "MTrk")) chunks.push(bytes.subarray(at + 8, Math.min(end, bytes.length)));
    at = end;
  }
  return { format: bytes[9], tpq: division, chunks };
}

// A track's events with their ticks.
function eventsOf(chunk, tpq, name) {
  const head = [0x4d, 0x54, 0x68, 0x64, 0, 0, 0, 6, 0, 1, 0, 1, tpq >> 8, tpq & 255, 0x4d, 0x54, 0x72, 0x6b];
  const size = [24, 16, 8, 0].map((by) => (chunk.length >>> by) & 255);
  const bytes = new Uint8Array(head.length + 4 + chunk.length);
  bytes.set([...head, ...size]);
  bytes.set(chunk, head.length + 4);
  let events;
  try {
    events = parseMidi(bytes).tracks[0] ?? [];
  } catch (error) {
    throw new Refused(`${name}: ${error.message ?? error}; ${SAVE_ANEW}`);
  }
  const end = events.findIndex(({ type }) => type === "endOfTrack");
  let tick = 0;
  return (end < 0 ? events : events.slice(0, end + 1)).map((event) => ({ ...event, tick: tick += event.deltaTime }));
}

// A name in a file is bytes: those of UTF-8, or what looks like western letters.
function nameOf(text) {
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

// The notes of a pitch: each beginning with its end. Of what is begun twice and then ended twice the first
// beginning has the first end; where beginnings are more than ends, an end belongs to the latest one, and
// what is left over lasts to the track's end, unless notes of no length, off and then on, explain it.
function pair(events, trackEnd) {
  let { open, notes } = match(events, true);
  let nGrace = 0, nUnended = 0;
  if (open.length) {
    const grace = graceNotes(events);
    nGrace = grace.size / 2;
    const rest = events.filter((_, i) => !grace.has(i));
    ({ open, notes } = match(rest, true));
    if (open.length) {
      ({ open, notes } = match(rest, false));
      nUnended = open.length;
      notes = notes.concat(open.filter(({ tick }) => tick < trackEnd).map((event) => noteOf(event, trackEnd)));
    }
  }
  return { notes, nGrace, nUnended };
}

const noteOf = ({ tick, noteNumber, velocity, order }, end) => (
  { time: tick, duration: end - tick, pitch: Math.min(noteNumber, 127), velocity: Math.min(velocity, 127), order }
);

function match(events, isFirst) {
  const open = [], notes = [];
  for (const event of events) {
    if (event.type === "noteOn") open.push(event);
    else if (open.length) notes.push(noteOf(isFirst ? open.shift() : open.pop(), event.tick));
  }
  return { open, notes };
}

// Which events of a pitch are notes of no length, written off, then on; none unless they explain all.
function graceNotes(events) {
  const found = new Set();
  let depth = 0;
  for (let i = 0; i < events.length; i++) {
    const next = events[i + 1];
    if (events[i].type === "noteOn") depth++;
    else if (depth) depth--;
    else if (next?.type === "noteOn" && next.tick === events[i].tick) {
      found.add(i).add(i + 1);
      i++;
    } else return new Set();
  }
  return found;
}

// The parts of a track, by channel: {name, channel, program, notes, nGrace, nUnended}.
function partsOf(events) {
  const end = events.at(-1)?.tick ?? 0;
  const name = nameOf(events.findLast(({ type }) => type === "trackName")?.text ?? "");
  const channels = [...new Set(events.flatMap(({ channel, type }) => (type === "noteOn" ? [channel] : [])))].sort((a, b) => a - b);
  return channels.map((channel) => {
    const own = events.filter((event) => event.channel === channel);
    const notes = own.filter(({ type }) => type === "noteOn" || type === "noteOff").map((event, order) => ({ ...event, order }));
    const first = own.findIndex(({ type }) => type === "noteOn");
    const isProgram = ({ type }) => type === "programChange";
    const program = (own.slice(0, first).findLast(isProgram) ?? own.find(isProgram))?.programNumber ?? 0;
    const pitches = [...new Set(notes.map(({ noteNumber }) => noteNumber))];
    const paired = pitches.map((pitch) => pair(notes.filter(({ noteNumber }) => noteNumber === pitch), end));
    return {
      name, channel, program, notes: paired.flatMap((each) => each.notes).sort((a, b) => a.order - b.order),
      nGrace: paired.reduce((sum, each) => sum + each.nGrace, 0), nUnended: paired.reduce((sum, each) => sum + each.nUnended, 0),
    };
  });
}

// A tune: {name, number, tpq, signatures, tempos, tracks, nDrums, span}; of a file of patterns, each is one.
// Those that cannot be read are {error}.
export function readTunes(buffer, name) {
  const { format, tpq, chunks } = split(new Uint8Array(buffer), name);
  const groups = format === 2 && chunks.length ? chunks.slice(0, MOST_SEQUENCES).map((chunk) => [chunk]) : [chunks];
  return groups.map((group, i) => {
    const tuneName = groups.length === 1 ? name : `${name}#${i + 1}`;
    try {
      return { number: i + 1, ...tuneOf(group.map((chunk) => eventsOf(chunk, tpq, tuneName)), tpq, tuneName) };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { number: i + 1, name: tuneName, error };
    }
  });
}

function tuneOf(tracks, tpq, name) {
  const all = tracks.flat(), of = (type) => all.filter((event) => event.type === type).sort((a, b) => a.tick - b.tick);
  const parts = tracks.flatMap(partsOf).filter(({ notes }) => notes.length);
  const pitched = parts.filter(({ channel }) => channel !== DRUMS);
  if (!pitched.length && parts.length) throw new Refused(`${name}: all its notes are on the drum channel; give a file with notes of pitch`);
  if (!pitched.length) throw new Refused(`${name}: it has no notes that begin and end; choose another track, or all tracks`);
  const notes = pitched.flatMap((part) => part.notes);
  const last = notes.reduce((most, { time, duration }) => Math.max(most, time + duration), 0);
  if (last > LONGEST_QUARTERS * tpq) {
    throw new Refused(`${name}: its last note ends after ${Math.round(last / tpq)} quarters, of ${LONGEST_QUARTERS} allowed; cut it, or delete the stray event at its end`);
  }
  const long = notes.filter(({ duration }) => duration);
  return {
    name, tpq, tracks: pitched,
    nDrums: parts.filter(({ channel }) => channel === DRUMS).reduce((sum, part) => sum + part.notes.length, 0),
    signatures: of("timeSignature").map(({ tick, numerator, denominator }) => ({ tick, metre: [numerator, denominator] })),
    tempos: of("setTempo").map(({ tick, microsecondsPerBeat }) => ({ tick, mspq: microsecondsPerBeat })),
    span: long.length
      ? [long.reduce((least, { time }) => Math.min(least, time), Infinity), long.reduce((most, { time, duration }) => Math.max(most, time + duration), 0)]
      : [0, 0],
  };
}
