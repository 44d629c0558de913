// A keyboard on the page, for fingers and the mouse; and the computer's own keys as one. By both a
// key is pressed and let go: onNote(pitch, velocity, time), where a velocity of 0 lets it go.

import { $, element } from "./page.js";
import { pitchName } from "./roll.js";

const BLACK = new Set([1, 3, 6, 8, 10]);
// By where they lie, whatever letters are on them: two rows as the keys of a piano.
const CODES = [
  "KeyA", "KeyW", "KeyS", "KeyE", "KeyD", "KeyF", "KeyT", "KeyG", "KeyY", "KeyH", "KeyU", "KeyJ",
  "KeyK", "KeyO", "KeyL", "KeyP", "Semicolon",
];
const LETTERS = CODES.map((code) => (code === "Semicolon" ? ";" : code.slice(3)));
const TYPED = "input:not([type=radio]):not([type=checkbox]):not([type=range]), select, textarea, dialog";
const LOWEST_OCTAVE = 24, HIGHEST_OCTAVE = 84;
const TAP = 300;       // milliseconds that a key sounds which is pressed by Enter
const VELOCITY = 90;

export class Keyboard {
  #octave = 60;             // the pitch of the key A
  #pressed = new Map();     // what presses -> the pitch
  #buttons = new Map();     // pitch -> its button

  constructor({ onNote, isOn }) {
    Object.assign(this, { onNote, isOn });
    $("keyboard").addEventListener("pointerdown", (event) => this.#finger(event, true));
    $("keyboard").addEventListener("pointermove", (event) => { if (this.#pressed.has(event.pointerId)) this.#slide(event); });
    for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, (event) => this.#finger(event, false));
    $("keyboard").addEventListener("click", (event) => { if (event.detail === 0) this.#tap(event); });
    // Before the page's own keys, which then do nothing.
    addEventListener("keydown", (event) => this.#key(event), { capture: true });
    addEventListener("keyup", (event) => this.#letGo(event.code, event.timeStamp), { capture: true });
    addEventListener("blur", () => this.letAllGo());
    $("octave-down").addEventListener("click", () => this.#move(-12));
    $("octave-up").addEventListener("click", () => this.#move(12));
    this.#draw();
  }

  // Three octaves from the one that the computer's keys play; a narrow window shows fewer.
  #draw() {
    const first = this.#octave;
    this.#buttons.clear();
    $("keyboard").replaceChildren(...Array.from({ length: 25 }, (_, i) => {
      const pitch = first + i, isBlack = BLACK.has(pitch % 12);
      const name = pitchName(pitch);
      const label = element("span", { text: LETTERS[i] ?? "", "aria-hidden": "true" });
      const key = element("button", { class: isBlack ? "black" : "white", "aria-label": name, "data-pitch": pitch }, label);
      this.#buttons.set(pitch, key);
      return key;
    }));
    $("octave-says").textContent = pitchName(first);
  }

  #move(by) {
    const to = this.#octave + by;
    if (to < LOWEST_OCTAVE || to > HIGHEST_OCTAVE) return;
    this.letAllGo();
    this.#octave = to;
    this.#draw();
  }

  // Keys that are held anywhere are seen here.
  light(pitch, isDown) { this.#buttons.get(pitch)?.classList.toggle("down", isDown); }

  #press(what, pitch, velocity, time) {
    if (this.#pressed.get(what) === pitch) return;
    this.#letGo(what, time);
    this.#pressed.set(what, pitch);
    this.onNote(pitch, velocity, time);
  }

  #letGo(what, time) {
    if (!this.#pressed.has(what)) return;
    const pitch = this.#pressed.get(what);
    this.#pressed.delete(what);
    this.onNote(pitch, 0, time);
  }

  letAllGo() { for (const what of [...this.#pressed.keys()]) this.#letGo(what, performance.now()); }

  #finger(event, isDown) {
    if (!isDown) { this.#letGo(event.pointerId, event.timeStamp); return; }
    const key = event.target.closest("[data-pitch]");
    if (!key) return;
    event.preventDefault();
    $("keyboard").setPointerCapture(event.pointerId);
    this.#press(event.pointerId, Number(key.dataset.pitch), this.#velocityOf(event, key), event.timeStamp);
  }

  #slide(event) {
    const key = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-pitch]");
    if (key) this.#press(event.pointerId, Number(key.dataset.pitch), this.#velocityOf(event, key), event.timeStamp);
  }

  // Further down on a key is louder, as on a real one.
  #velocityOf(event, key) {
    const { top, height } = key.getBoundingClientRect();
    return Math.round(60 + 50 * Math.min(Math.max((event.clientY - top) / height, 0), 1));
  }

  #tap(event) {
    const key = event.target.closest("[data-pitch]");
    if (!key) return;
    const pitch = Number(key.dataset.pitch);
    this.#press("tap", pitch, VELOCITY, event.timeStamp);
    setTimeout(() => this.#letGo("tap", performance.now()), TAP);
  }

  #key(event) {
    if (!this.isOn() || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(TYPED)) return;
    const by = { KeyZ: -12, KeyX: 12 }[event.code];
    const i = CODES.indexOf(event.code);
    if (i < 0 && !by) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.repeat) return;
    if (by) this.#move(by);
    else this.#press(event.code, this.#octave + i, VELOCITY, event.timeStamp);
  }
}
