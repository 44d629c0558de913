// Playing: sampled instruments by Web Audio. The samples come from the studio itself.

import { instrument } from "./api.js";
import { timing } from "./swing.js";

const FIRST = 24, APART = 4, SECONDS = 3;   // as they are laid there: every fourth key from C1
const AHEAD = 0.15, AHEAD_HIDDEN = 2.5;     // timers of a hidden tab run once a second
const DAMPER = 0.14;
const LONGEST = 30;        // seconds that a key is held
const SLOWEST_START = 4000; // milliseconds; without a loudspeaker Firefox waits for one forever

export class Sound {
  constructor() {
    this.context = new AudioContext({ latencyHint: "interactive" });
    this.analyser = this.context.createAnalyser();
    const limiter = this.context.createDynamicsCompressor();
    limiter.threshold.value = -8;
    this.out = this.context.createGain();
    this.volume = 0.9;
    this.out.connect(limiter).connect(this.analyser).connect(this.context.destination);
    this.samples = null;      // of the instrument that plays
    this.program = -1;        // the one that was asked for, General MIDI from 0
    this.notes = [];          // {start, duration, pitch, velocity} in steps, by start
    this.secondsPerStep = 0.125;
    this.timing = timing([], 50, 4);   // when a step is heard, in steps
    this.from = this.to = 0;  // what is played, in steps
    this.repeats = false;
    this.isGrowing = false;   // whether bars are still being written behind the last one
    this.playing = false;
    this.onend = () => {};
    this.device = null;       // a MidiOut that plays instead of the samples
  }

  // 0-1
  set volume(value) { this.out.gain.value = value; }

  // Plays with another instrument, as soon as it is there; until then with the one before.
  async use(program) {
    if (program === this.program) return;
    this.program = program;
    this.device?.use(program);
    const samples = await this.context.decodeAudioData(await instrument(program));
    if (program === this.program) this.samples = samples;
  }

  // Where the playhead is, in steps.
  get position() {
    if (!this.playing) return this.origin ?? 0;
    const now = this.context.currentTime - (this.context.outputLatency || 0);
    const heard = this.timing.heard(this.origin) + (now - this.began) / this.secondsPerStep;
    const isLap = this.repeats && heard >= this.to;   // a bar line is heard where it is written
    const step = this.timing.written(isLap ? this.from + ((heard - this.from) % (this.to - this.from)) : heard);
    return isLap ? step : Math.max(step, this.origin);
  }

  // What the loudspeaker plays at a time of the page, in milliseconds, by the context's clock; and at
  // which time of the page a moment of that clock is heard. The two clocks are read one after the
  // other, and so the difference is smoothed.
  heardAt(time) { return (time - this.apart) / 1000; }
  pageTimeOf(when) { return 1000 * when + this.apart; }

  get apart() {
    const { context } = this, stamp = context.getOutputTimestamp?.();
    const now = stamp?.contextTime > 0 ? stamp.performanceTime - 1000 * stamp.contextTime
      : performance.now() - 1000 * (context.currentTime - (context.outputLatency || 0));
    if (!(Math.abs(now - this.apart_) < 60)) this.apart_ = now;
    this.apart_ += 0.05 * (now - this.apart_);
    return this.apart_;
  }

  async play({ notes, at, from, to, repeats, secondsPerStep, timing: times, onend }) {
    this.stop();
    const asked = ++this.nth || (this.nth = 1);
    const late = new Promise((done) => { setTimeout(done, SLOWEST_START, "late"); });
    const woke = await Promise.race([this.context.resume(), late]);
    if (asked !== this.nth) return;
    if (woke === "late") throw new Error("This browser has no sound to play with; is there a loudspeaker?");
    Object.assign(this, { notes, from, to, repeats, secondsPerStep, timing: times });
    this.onend = onend ?? (() => {});
    this.begin(at);
    this.timer = setInterval(() => this.schedule(), 25);
  }

  begin(at) {
    this.origin = at;
    this.began = this.context.currentTime + 0.02;
    this.playing = true;
    this.lap = 0;
    this.next = this.notes.findIndex((note) => note.start >= at && note.start < this.to);
    if (this.next < 0) this.next = this.notes.length;
    this.schedule();
  }

  // Other notes from now on, where it plays: what is heard is what stands in the piece.
  change({ notes, from, to, timing: times }) {
    if (!this.playing) return;
    const { currentTime } = this.context;
    const laps = this.lap * (this.to - this.from);
    const here = this.timing.written(
      this.timing.heard(this.origin) + (currentTime - this.began) / this.secondsPerStep - laps,
    );
    const struck = this.notes[this.next - 1]?.start ?? -1;   // that and all before are on their way
    Object.assign(this, { notes, from, to, timing: times, lap: 0, origin: here, began: currentTime });
    this.next = notes.findIndex(({ start }) => start > struck && start >= here);
    if (this.next < 0) this.next = notes.length;
  }

  // When a step of this lap sounds, in the context's time.
  timeOf(step) {
    const lapSteps = this.lap * (this.to - this.from), { heard } = this.timing;
    return this.began + (heard(step) + lapSteps - heard(this.origin)) * this.secondsPerStep;
  }

  schedule() {
    const until = this.context.currentTime + (document.hidden ? AHEAD_HIDDEN : AHEAD);
    for (;;) {
      const note = this.notes[this.next];
      if (note && note.start < this.to) {
        const when = this.timeOf(note.start);
        if (when > until) break;
        const end = this.timeOf(Math.min(note.start + note.duration, this.to));
        this.strike(note.pitch, note.velocity, when, end - when);
        this.next++;
      } else if (this.repeats && this.to > this.from) {
        if (this.timeOf(this.to) > until) break;
        this.lap++;
        this.next = this.notes.findIndex((each) => each.start >= this.from);
        if (this.next < 0) this.next = this.notes.length;
      } else {
        break;
      }
    }
    if (!this.repeats && !this.isGrowing && this.context.currentTime > this.timeOf(this.to) + 0.05) {
      this.stop();
      this.origin = this.from;
      this.onend();
    }
  }

  setTempo(secondsPerStep, times) {
    const here = this.position, { playing } = this;
    Object.assign(this, { secondsPerStep, timing: times });
    if (!playing) return;
    this.silence();
    this.begin(here);
  }

  // What plays from now on: a MidiOut, or null for the page's own instruments.
  playBy(device) {
    this.silence();
    this.device = device;
    device?.use(Math.max(this.program, 0));
  }

  // One note, now or later; heard too where nothing plays.
  strike(pitch, velocity, when = this.context.currentTime, seconds = 0.4) {
    if (this.device) { this.device.strike(pitch, velocity, when, seconds); return; }
    const { source, gain, loudness, start } = this.voice(pitch, velocity, when);
    gain.gain.setValueAtTime(loudness, start + seconds);
    gain.gain.setTargetAtTime(0, start + seconds, DAMPER / 3);
    this.launch(source, pitch, start, start + seconds + DAMPER * 2);
  }

  // A note that sounds until the key is let go: gives what lets it go.
  hold(pitch, velocity) {
    if (this.device) return this.device.hold(pitch, velocity);
    const { source, gain, start } = this.voice(pitch, velocity, this.context.currentTime);
    this.launch(source, pitch, start, start + LONGEST);
    return () => {
      const now = this.context.currentTime;
      gain.gain.setTargetAtTime(0, now, DAMPER / 3);
      source.stop(now + DAMPER * 2);
    };
  }

  // A beat of the metronome; it is nobody's instrument.
  click(when, isFirst) {
    const tone = this.context.createOscillator(), gain = this.context.createGain();
    const start = Math.max(when, this.context.currentTime);
    tone.frequency.value = isFirst ? 1760 : 1175;
    gain.gain.setValueAtTime(isFirst ? 0.3 : 0.2, start);
    gain.gain.exponentialRampToValueAtTime(0.001, start + 0.05);
    tone.connect(gain).connect(this.out);
    tone.start(start);
    tone.stop(start + 0.06);
    tone.onended = () => gain.disconnect();
  }

  voice(pitch, velocity, when) {
    const gain = this.context.createGain();
    const loudness = (0.12 + 0.88 * (velocity / 127) ** 1.6) * (this.samples ? 1 : 0.3);
    const source = this.samples ? this.sample(pitch) : this.tone(pitch);
    const start = Math.max(when, this.context.currentTime);
    gain.gain.setValueAtTime(loudness, start);
    source.connect(gain).connect(this.out);
    source.onended = () => { this.sounding.delete(source); gain.disconnect(); };
    return { source, gain, loudness, start };
  }

  launch(source, pitch, start, end) {
    if (this.samples) {
      const index = this.indexOf(pitch);
      const room = (SECONDS - 0.05) / source.playbackRate.value;
      source.start(start, index * SECONDS, Math.min(end - start, room) * source.playbackRate.value);
    } else {
      source.start(start);
      source.stop(end);
    }
    this.sounding ??= new Set();
    this.sounding.add(source);
  }

  indexOf(pitch) {
    return Math.min(Math.max(Math.round((pitch - FIRST) / APART), 0), 21);
  }

  sample(pitch) {
    const source = this.context.createBufferSource();
    source.buffer = this.samples;
    source.playbackRate.value = 2 ** ((pitch - FIRST - APART * this.indexOf(pitch)) / 12);
    return source;
  }

  // Without the samples, or before they are there: a plain tone.
  tone(pitch) {
    const source = this.context.createOscillator();
    source.type = "triangle";
    source.frequency.value = 440 * 2 ** ((pitch - 69) / 12);
    return source;
  }

  silence() {
    this.device?.silence();
    for (const source of this.sounding ?? []) {
      try { source.stop(); } catch { /* not begun yet */ }
    }
  }

  stop() {
    if (this.playing) this.origin = this.position;
    clearInterval(this.timer);
    this.playing = false;
    this.nth = (this.nth ?? 0) + 1;
    this.silence();
  }

  // Peak of what is heard now, 0-1.
  level() {
    const wave = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(wave);
    return wave.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0);
  }
}
