// MIDI devices: what is played on keyboards comes in, what sounds can go out to a synthesiser or a
// music program. Nothing is asked of a device but to play and to be played.

const NOTE_OFF = 0x80, NOTE_ON = 0x90, CONTROL = 0xb0, PROGRAM = 0xc0;
const PEDAL = 64, ALL_OFF = 123;

export class Midi extends EventTarget {
  #access = null;

  // onNote(pitch, velocity, time): 0 is a key let go; onPedal(isDown, time). Times are the page's,
  // in milliseconds.
  constructor({ onNote, onPedal }) {
    super();
    Object.assign(this, { onNote, onPedal });
  }

  get isThere() { return "requestMIDIAccess" in navigator; }
  get isOpen() { return this.#access !== null; }
  get inputs() { return this.#listed("inputs"); }
  get outputs() { return this.#listed("outputs"); }

  #listed(kind) {
    return [...(this.#access?.[kind].values() ?? [])].filter(({ state }) => state !== "disconnected");
  }

  // The browser may ask the musician first. Throws a sentence.
  async open() {
    if (this.#access) return;
    if (!this.isThere) throw new Error("This browser knows no MIDI devices; Chromium, Edge and Firefox do. The computer’s keys play too.");
    try {
      this.#access = await navigator.requestMIDIAccess();
    } catch {
      throw new Error("The browser lets this page have no MIDI devices; allow them beside its address.");
    }
    this.#access.onstatechange = () => this.#listen();
    this.#listen();
  }

  // Opens without a question, where it was allowed once.
  async openAgain() {
    const allowed = await navigator.permissions?.query({ name: "midi" }).catch(() => null);
    if (allowed?.state === "granted") await this.open().catch(() => {});
  }

  #listen() {
    for (const input of this.inputs) input.onmidimessage = (event) => this.#take(event);
    this.dispatchEvent(new Event("change"));
  }

  #take({ data: [status, first, second], timeStamp }) {
    const kind = status & 0xf0;
    if (kind === NOTE_ON || kind === NOTE_OFF) this.onNote(first, kind === NOTE_ON ? second : 0, timeStamp);
    else if (kind === CONTROL && first === PEDAL) this.onPedal(second >= 64, timeStamp);
  }
}

// What sounds goes to a device instead of the page's own instruments.
export class MidiOut {
  #pending = new Map();   // pitch -> when its last note ends, in the page's milliseconds

  // timeOf: the page's time of a moment by the clock of the sound.
  constructor(port, timeOf) { Object.assign(this, { port, timeOf }); }

  use(program) { this.port.send([PROGRAM, program]); }

  strike(pitch, velocity, when, seconds) {
    const begins = Math.max(this.timeOf(when), performance.now()), ends = begins + seconds * 1000;
    this.port.send([NOTE_ON, pitch, velocity], begins);
    this.port.send([NOTE_OFF, pitch, 0], ends);
    this.#pending.set(pitch, ends);
  }

  // Gives what lets the key go.
  hold(pitch, velocity) {
    this.port.send([NOTE_ON, pitch, velocity]);
    return () => this.port.send([NOTE_OFF, pitch, 0]);
  }

  silence() {
    this.port.clear?.();
    const now = performance.now();
    for (const [pitch, ends] of this.#pending) if (ends > now) this.port.send([NOTE_OFF, pitch, 0]);
    this.port.send([CONTROL, ALL_OFF, 0]);
    this.#pending.clear();
  }
}
