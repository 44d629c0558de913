// Playing the piece: from where, what is repeated, how fast and how loud. What plays is what stands
// on the roll, also while it is changed.

import { $, fail, onPress, say } from "./page.js";
import { barStarts } from "./piece.js";
import { recall, remember } from "./storage.js";
import { STRAIGHT, timing } from "./swing.js";

// General MIDI, from 0.
const INSTRUMENTS = {
  0: "Piano", 6: "Harpsichord", 8: "Celesta", 11: "Vibraphone", 19: "Organ", 21: "Accordion", 24: "Guitar",
  40: "Violin", 42: "Cello", 48: "Strings", 52: "Choir", 56: "Trumpet", 66: "Saxophone", 71: "Clarinet", 73: "Flute",
};
const VOLUME = "nextbar-studio-volume";

export class Transport {
  #paused = null;     // where Pause was pressed
  #swing = STRAIGHT;  // that of what is heard

  // isTaken(): whether somebody plays along, and nothing else is played.
  constructor({ state, roll, sound, isTaken }) {
    Object.assign(this, { state, roll, sound, isTaken });
    onPress("play", () => this.toggle());
    onPress("from-start", () => this.toStart());
    $("repeat").addEventListener("change", () => this.change());
    $("tempo").addEventListener("input", () => state.setTempo(Number($("tempo").value)));
    $("swing").addEventListener("input", () => state.setSwing(Number($("swing").value)));
    $("instrument").replaceChildren(...Object.entries(INSTRUMENTS).map(([program, name]) => new Option(name, program)));
    $("instrument").addEventListener("change", () => state.setProgram(Number($("instrument").value)));
    $("volume").value = Math.round(100 * (recall(VOLUME) ?? 0.9));
    const setVolume = () => {
      sound.volume = Number($("volume").value) / 100;
      remember(VOLUME, Number($("volume").value) / 100);
    };
    $("volume").addEventListener("input", setVolume);
    setVolume();
    state.addEventListener("change", () => this.show());
  }

  get #stepsPerQuarter() { return this.state.runOfPiece?.steps_per_quarter ?? 4; }

  get secondsPerStep() { return 60 / this.state.tempo / this.#stepsPerQuarter; }

  timingOf(bars) { return timing(bars, this.state.swing, this.#stepsPerQuarter); }

  get isPlaying() { return this.sound.playing && !this.sound.isPreview; }

  // The stretch that is played, in steps.
  get #stretch() {
    const starts = barStarts(this.roll.bars);   // of what is shown, a candidate too
    const { selected, last } = this.state;
    const isPart = $("repeat").value === "bar" && selected >= 0;
    return { from: isPart ? starts[selected] : 0, to: isPart ? starts[last + 1] : starts.at(-1) };
  }

  play(at) {
    const { roll, sound, state } = this;
    if (!roll.bars.length || this.isTaken()) return;
    const starts = barStarts(roll.bars);
    sound.play({
      notes: roll.notes, at: at ?? starts[Math.max(state.selected, 0)], ...this.#stretch,
      repeats: $("repeat").value !== "off", secondsPerStep: this.secondsPerStep, timing: this.timingOf(roll.bars),
      onend: () => this.#showStopped(),
    }).then(() => this.#showPlaying()).catch(fail);
  }

  toggle() {
    const { roll, sound, state } = this;
    if (this.isPlaying) {
      sound.stop();
      const here = sound.position;
      this.#showStopped();
      this.#paused = { here, selected: state.selected };
      roll.playhead = here;
      roll.paint();
      return;
    }
    const paused = this.#paused;
    this.#paused = null;
    const goesOn = paused && paused.selected === state.selected && paused.here < roll.end;
    this.play(goesOn ? paused.here : undefined);
  }

  toStart() {
    this.#paused = null;
    if (this.isPlaying) this.play(0); else this.#showStopped();
    this.roll.box.scrollLeft = 0;
  }

  stop() {
    this.sound.stop();
    this.#showStopped();
  }

  // A bar heard once, which may be none of the piece: a choice among several.
  hearBar(bar) {
    if (this.isPlaying || this.isTaken()) return;   // it is heard in its place
    this.stop();
    this.sound.play({
      notes: bar.notes.map(([start, duration, pitch, velocity]) => ({ start, duration, pitch, velocity }))
        .sort((a, b) => a.start - b.start),
      at: 0, from: 0, to: bar.n_steps, repeats: false, secondsPerStep: this.secondsPerStep,
      timing: this.timingOf([bar]),
    }).catch(fail);
    this.sound.isPreview = true;   // the playhead is of the piece, and stays away
  }

  // The roll shows other notes, or another stretch is to be repeated.
  change() {
    if (!this.isPlaying) return;
    this.sound.repeats = $("repeat").value !== "off";
    if (!this.roll.bars.length) this.stop();
    else this.sound.change({ notes: this.roll.notes, timing: this.timingOf(this.roll.bars), ...this.#stretch });
  }

  show() {
    const { sound, state } = this;
    $("tempo").value = Math.round(state.tempo);
    $("tempo-now").textContent = Math.round(state.tempo);
    this.#showInstrument(state.program);
    $("swing").value = state.swing;
    $("swing-now").textContent = state.swing === STRAIGHT ? "straight" : `${state.swing} %`;
    if (sound.secondsPerStep !== this.secondsPerStep || this.#swing !== state.swing) {
      this.#swing = state.swing;
      sound.setTempo(this.secondsPerStep, this.timingOf(this.roll.bars));
    }
    this.change();
  }

  // A file may say any of 128.
  #showInstrument(program) {
    const list = $("instrument");
    if (![...list.options].some((option) => option.value === String(program))) {
      list.append(new Option(`As the file says (General MIDI ${program + 1})`, program));
    }
    list.value = program;
    if (this.state.piece) this.sound.use(program).catch((error) => { say(`No instrument: ${error.message}`); });
  }

  #showPlaying() {
    if (!this.sound.playing) return;
    const { roll, sound } = this;
    sound.isPreview = false;
    $("play").classList.add("playing");
    $("play").setAttribute("aria-label", "Pause");
    const frame = () => {
      if (!sound.playing) return;
      if (!sound.isPreview) roll.follow(sound.position);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  #showStopped() {
    $("play").classList.remove("playing");
    $("play").setAttribute("aria-label", "Play");
    this.#paused = null;
    this.roll.playhead = null;
    this.roll.paint();
  }
}
