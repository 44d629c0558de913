// The strip for playing along: what plays (a MIDI keyboard, the computer's keys, fingers), whether it
// is recorded or traded with the model, and what is to be seen meanwhile.

import { Keyboard } from "./keyboard.js";
import { Midi, MidiOut } from "./midi.js";
import { $, element, fail, onPress, say } from "./page.js";
import { blank } from "./piece.js";
import { MOST_BARS, Session } from "./session.js";
import { newSeed } from "./settings.js";
import { recall, remember } from "./storage.js";

const CHOICES = "nextbar-studio-live";
const KEPT = ["live-bars", "live-click", "live-count", "live-hear"];
const SHOWN_EVERY = 90;     // milliseconds between two looks at what is being played

export class Live extends EventTarget {
  session = null;
  #sounding = new Map();    // pitch -> what lets it go
  #pedalled = new Map();    // pitches whose keys are up, and which the pedal holds
  #isPedalDown = false;
  #shown = 0;

  // studio: state, sound, roll, settings, writing, transport, fit().
  constructor(studio) {
    super();
    this.studio = studio;
    const onNote = (pitch, velocity, time) => this.play(pitch, velocity, time);
    this.midi = new Midi({ onNote, onPedal: (isDown, time) => this.pedal(isDown, time) });
    this.keyboard = new Keyboard({ onNote, isOn: () => this.isOpen });
    onPress("live-open", () => this.open(!this.isOpen));
    onPress("live-start", () => (this.isOn ? this.stop() : this.start()));
    onPress("midi-connect", () => this.connect());
    $("midi-out").addEventListener("change", () => this.#chooseOutput());
    this.midi.addEventListener("change", () => this.#showDevices());
    for (const id of KEPT) {
      const control = $(id), kept = recall(CHOICES)?.[id];
      if (kept !== undefined) control[control.type === "checkbox" ? "checked" : "value"] = kept;
      control.addEventListener("change", () => this.#keepChoices());
    }
    for (const input of document.getElementsByName("live-mode")) input.addEventListener("change", () => this.show());
    this.studio.state.addEventListener("change", () => this.#onChange());
    this.show();
  }

  get isOpen() { return !$("live").hidden; }
  get isOn() { return this.session !== null; }
  get trades() { return document.querySelector("[name=live-mode]:checked").value === "trade"; }

  #keepChoices() {
    const all = KEPT.map((id) => [id, $(id).type === "checkbox" ? $(id).checked : $(id).value]);
    remember(CHOICES, Object.fromEntries(all));
  }

  open(isToOpen) {
    if (!isToOpen) {
      this.stop();
      this.keyboard.letAllGo();
    }
    $("live").hidden = !isToOpen;
    $("live-open").setAttribute("aria-expanded", String(isToOpen));
    if (isToOpen) {
      this.midi.openAgain();
      this.studio.sound.context.resume();
      this.show();
    }
  }

  // ------------------------------------------------------------------ what is played

  play(pitch, velocity, time) {
    if (!this.isOpen) return;
    this.keyboard.light(pitch, velocity > 0);
    if (velocity > 0) {
      this.#letGo(pitch);
      if ($("live-hear").checked) this.#sounding.set(pitch, this.studio.sound.hold(pitch, velocity));
      this.#pedalled.delete(pitch);
      this.session?.down(pitch, velocity, time);
    } else if (this.#isPedalDown) {
      this.#pedalled.set(pitch, true);
    } else {
      this.#letGo(pitch);
      this.session?.up(pitch, time);
    }
  }

  pedal(isDown, time) {
    this.#isPedalDown = isDown;
    if (isDown) return;
    for (const pitch of this.#pedalled.keys()) {
      this.#letGo(pitch);
      this.session?.up(pitch, time);
    }
    this.#pedalled.clear();
  }

  #letGo(pitch) {
    this.#sounding.get(pitch)?.();
    this.#sounding.delete(pitch);
  }

  // ------------------------------------------------------------------ devices

  async connect() {
    try {
      await this.midi.open();
    } catch (error) { fail(error); }
    this.#showDevices();
  }

  #showDevices() {
    const { isOpen, inputs, outputs } = this.midi;
    const names = inputs.map(({ name }) => name || "unnamed").join(", ");
    $("midi-says").textContent = !isOpen ? "" : names ? `Plays: ${names}` : "No MIDI keyboard is there; it may be plugged in now.";
    $("midi-connect").hidden = isOpen;
    $("midi-out-line").hidden = !outputs.length;
    const chosen = $("midi-out").value;
    $("midi-out").replaceChildren(
      new Option("this page", ""), ...outputs.map(({ id, name }) => new Option(name || "unnamed", id)),
    );
    $("midi-out").value = outputs.some(({ id }) => id === chosen) ? chosen : "";
    if ($("midi-out").value !== chosen) this.#chooseOutput();
  }

  #chooseOutput() {
    const { sound } = this.studio;
    const port = this.midi.outputs.find(({ id }) => id === $("midi-out").value);
    sound.playBy(port ? new MidiOut(port, (when) => sound.pageTimeOf(when)) : null);
  }

  // ------------------------------------------------------------------ a session

  get #width() {
    const { run } = this.studio.state;
    return run.metres.find(({ metre }) => metre === $("live-metre").value) ?? run.metres[0];
  }

  async start() {
    const { state, sound, settings, transport, writing } = this.studio;
    try { settings.commit(); } catch (error) { fail(error); return; }
    transport.stop();
    const goesOn = $("live-behind").checked && state.piece.bars.length > 0;
    const piece = goesOn ? await writing.ready() : blank(state.run.fingerprint, state.sound);
    if (!piece) return;
    if (piece.bars.length + 2 * Number($("live-bars").value) > MOST_BARS) {
      fail(new Error(`A piece has up to ${MOST_BARS} bars; begin a new one.`));
      return;
    }
    this.before = state.piece;
    this.version = state.version;
    const seed = state.settings.newSeed ? newSeed() : state.settings.seed;
    const session = this.session = new Session({
      sound, state, settings, piece, width: this.#width, bars: Number($("live-bars").value), seed,
      trades: this.trades, countIn: $("live-count").checked, clicks: $("live-click").checked,
    });
    for (const kind of ["turn", "bar"]) session.addEventListener(kind, () => this.#showPiece());
    session.addEventListener("tick", () => this.#onTick());
    session.addEventListener("end", () => this.#onEnd());
    try {
      await session.start();
    } catch (error) {
      this.session = null;
      fail(error);
      return;
    }
    this.#zoom(session);
    this.#showPiece();
    this.dispatchEvent(new Event("busy"));
    this.show();
    this.#follow();
  }

  stop() { this.session?.stop(); }

  // Two turns are seen, and the roll goes along.
  #zoom({ trades, n, barSteps }) {
    const { roll } = this.studio;
    const steps = barSteps * (trades ? Math.max(2 * n, 4) : 4);
    roll.fits = false;
    roll.stepWidth = Math.min(Math.max((roll.box.clientWidth - 90) / steps, 3), 40);
  }

  #onTick() {
    const now = performance.now();
    if (now - this.#shown < SHOWN_EVERY) return;
    const { session } = this;
    this.#showCount(session);
    if (session.isMine && this.#drawn !== (this.#drawn = JSON.stringify(session.piece.bars.slice(session.place)))) this.#showPiece();
    this.#shown = performance.now() + 2 * (performance.now() - now);   // no more than a third of the time
  }

  #drawn = "";

  #showPiece() {
    const { state } = this.studio;
    if (this.isOn) state.preview(this.session.piece);
  }

  // A setting moved meanwhile is of what comes next; a piece that is another ends the session.
  #onChange() {
    const { state } = this.studio;
    this.#listMetres();
    if (!this.isOn || state.isPreview || state.version === this.version) return;
    this.version = state.version;
    if (state.piece.bars === this.before.bars) this.#showPiece();
    else this.stop();
  }

  #follow() {
    if (!this.isOn) return;
    const { roll } = this.studio;
    roll.follow(Math.max(this.session.position, 0));
    requestAnimationFrame(() => this.#follow());
  }

  #onEnd() {
    const { session } = this, { state, roll, fit, sound } = this.studio;
    this.session = null;
    sound.silence();
    roll.playhead = null;
    state.preview(null);
    const { recipe, bars } = session.piece;
    if (bars.length > (this.before && recipe.run === this.before.recipe.run && $("live-behind").checked ? this.before.bars.length : 0)) {
      state.put({ recipe: { ...recipe, sound: state.sound }, bars, isLocal: true }, { seed: session.seed });
      state.selectBars(-1, -1);
      say(session.trades ? `Kept: ${session.log.length} ${session.log.length === 1 ? "trade" : "trades"}` : "Recorded");
    } else {
      say("Nothing was played, and nothing is changed");
    }
    fit();
    if (session.problem) fail(session.problem);
    else if (bars.length + 2 * session.n > MOST_BARS) say(`A piece has up to ${MOST_BARS} bars: this one is full`);
    this.dispatchEvent(new Event("busy"));
    this.show();
  }

  // ------------------------------------------------------------------ what is to be seen

  show() {
    const { isOn, trades } = this;
    $("live-start").textContent = isOn ? "Stop" : trades ? "Start trading" : "Record";
    $("live-bars-line").hidden = !trades;
    for (const control of $("live-how").querySelectorAll("input, select")) control.disabled = isOn;
    $("live").classList.toggle("on", isOn);
    if (!isOn) {
      $("live-turn").textContent = trades
        ? "You play some bars, it answers with as many, on and on."
        : "What you play stands on the roll, bar by bar.";
      $("live-beats").replaceChildren();
    }
  }

  #listMetres() {
    const { run, settings, piece } = this.studio.state;
    if (!run || this.listed === run.fingerprint) return;
    this.listed = run.fingerprint;
    const names = run.metres.map(({ metre }) => metre);
    $("live-metre").replaceChildren(...names.map((name) => new Option(name)));
    const last = piece?.bars.at(-1)?.metre;
    $("live-metre").value = [settings.metre, last].find((name) => names.includes(name)) ?? names[0];
    $("live-metre-line").hidden = names.length < 2;
  }

  #showCount(session) {
    const { beat, beats, bar, isCountIn } = session.count;
    const turn = isCountIn ? "Count-in" : !session.isMine ? "It answers" : session.trades && session.isWaiting ? "Play, it listens" : "You play";
    if ($("live-turn").textContent !== turn) $("live-turn").textContent = turn;
    const looks = `${turn} ${beat} ${beats} ${bar}`;
    if (this.#looks === looks) return;
    this.#looks = looks;
    const lights = Array.from({ length: beats }, (_, i) => element("i", { class: i < beat ? "lit" : "" }));
    const of = session.trades ? ` of ${session.n}` : "";
    $("live-beats").replaceChildren(...lights, element("span", { text: isCountIn ? "" : `bar ${Math.max(bar, 1)}${of}` }));
    $("live").classList.toggle("answers", !session.isMine);
  }

  #looks = "";
}
