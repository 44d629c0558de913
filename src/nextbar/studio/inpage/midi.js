// Notes on a grid -> a MIDI file, as nextbar.music.score writes it: read again, it gives the same notes.

import { barSteps } from "./bars.js";
import { STRAIGHT, timing } from "../static/swing.js";
import { writeMidi } from "./vendor/midi-file.js";

const TICKS_PER_STEP = 120;

// The events in order, each with the time since the one before, up to the end of the last bar.
function timed(events, end) {
  let before = 0;
  const sorted = events.map((event, i) => ({ event, i }))
    .sort((a, b) => a.event.tick - b.event.tick || a.event.order - b.event.order || a.i - b.i);
  const all = [...sorted.map(({ event }) => event), { tick: end, type: "endOfTrack", meta: true }];
  return all.map(({ tick, order: _, ...event }) => {
    const deltaTime = Math.max(tick, before) - before;
    before = Math.max(tick, before);
    return { ...event, deltaTime };
  });
}

// A name in a file is bytes: those of UTF-8, a character each.
const asBytes = (text) => String.fromCharCode(...new TextEncoder().encode(text));

// The bytes of a piece: {notes, metres, sound, stepsPerQuarter}.
export function midiBytes({ notes, metres, sound: { tempo, program, name, swing = STRAIGHT }, stepsPerQuarter }) {
  const lines = [{ tick: 0, order: 0, type: "setTempo", meta: true, microsecondsPerBeat: Math.round(60e6 / tempo) }];
  const bars = metres.map((metre) => ({ metre, n_steps: barSteps(metre, stepsPerQuarter) }));
  const { heard } = timing(bars, swing, stepsPerQuarter);
  const tickOf = (step) => Math.round(heard(step) * TICKS_PER_STEP);
  let tick = 0;
  metres.forEach((metre, bar) => {
    if (metre !== metres[bar - 1]) {
      const [numerator, denominator] = metre.split("/").map(Number);
      lines.push({ tick, order: 1, type: "timeSignature", meta: true, numerator, denominator, metronome: 24, thirtyseconds: 8 });
    }
    tick += barSteps(metre, stepsPerQuarter) * TICKS_PER_STEP;
  });
  const played = [
    { tick: 0, order: 0, type: "trackName", meta: true, text: asBytes(name || "nextbar") },
    { tick: 0, order: 1, type: "programChange", channel: 0, programNumber: program },
    ...notes.flatMap(([start, duration, noteNumber, velocity]) => [
      { tick: tickOf(start), order: 3, type: "noteOn", channel: 0, noteNumber, velocity },
      { tick: tickOf(start + duration), order: 2, type: "noteOff", channel: 0, noteNumber, velocity: 0 },
    ]),
  ];
  const header = { format: 1, ticksPerBeat: TICKS_PER_STEP * stepsPerQuarter };
  return Uint8Array.from(writeMidi({ header, tracks: [timed(lines, tick), timed(played, tick)] })).buffer;
}
