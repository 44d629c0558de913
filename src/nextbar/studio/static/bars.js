// The selected bars: locked, rolled again, varied, blended, one chosen of ten; and as a phrase copied,
// repeated, moved, taken out.

import { $, barsInWords, element, enable, fail, onPress } from "./page.js";
import {
  emptyBar, isDraft, isLocked, onlyBars, withBar, withBarsAt, withBarsMoved, withLock, withoutBars,
} from "./piece.js";
import { describe, drawSmall } from "./roll.js";

const VARIED = 3;   // steps of eight on the way to another bar

const capital = (text) => text.replace(/^./, (c) => c.toUpperCase());

export class BarPanel {
  // studio: what the page can do: writing, transport, showPiece(), isInOneMetre, widthToDraw, runOfPiece.
  constructor(state, studio) {
    Object.assign(this, { state, studio });
    this.candidates = null;   // {version, start, bar, list, chosen}: of a bar of that piece
    this.clipboard = null;    // bars
    const press = {
      lock: () => this.lock(), "roll-again": () => this.rollAgain(), alternatives: () => this.showAlternatives(),
      blend: () => this.showBlend(), vary: () => this.vary(), "bars-copy": () => this.copy(),
      "bars-paste": () => this.paste(), "bars-repeat": () => this.repeat(), "bars-insert": () => this.insert(),
      "bars-earlier": () => this.moveBy(-1), "bars-later": () => this.moveBy(1), "bars-delete": () => this.remove(),
      "bars-only": () => this.keepOnly(), "bars-end": () => this.endHere(),
    };
    for (const [id, work] of Object.entries(press)) onPress(id, work);
    for (const name of ["phrase", "hand"]) onPress(name, () => this.openTools(name, $(`${name}-tools`).hidden));
    onPress("hand-write", () => this.writeHand());
    state.addEventListener("change", () => this.show());
  }

  get first() { return this.state.selected; }
  get last() { return this.state.last; }
  get isOne() { return this.first === this.last; }
  get words() { return barsInWords(this.first, this.last); }

  // The bars among the selected ones that the model may write: its own that are not locked, and
  // empty ones.
  get free() {
    const { piece } = this.state;
    const isFree = (bar, i) => (bar.given ? isDraft(piece) && !bar.notes.length : !isLocked(piece, i));
    return piece.bars.flatMap((bar, i) => (i >= this.first && i <= this.last && isFree(bar, i) ? [i] : []));
  }

  // ------------------------------------------------------------------ what is shown

  show() {
    const { state, candidates, studio } = this;
    const { piece } = state;
    const bar = piece?.bars[this.first];
    $("bar-hint").hidden = Boolean(bar) || state.notes.size > 0;
    $("bar-tools").hidden = !bar;
    if (candidates && (candidates.bar !== this.first || !this.isOne || candidates.version !== state.version)) this.close();
    if (!bar) return;
    const { nGiven } = state;
    const isGiven = this.last < nGiven;
    const locked = !isGiven && this.free.length === 0;
    const canWrite = !studio.isBusy && this.free.length > 0;
    const metre = studio.isInOneMetre || !this.isOne ? "" : `, ${bar.metre}`;
    $("bar-title").textContent = `${capital(this.words)}${metre}`;
    $("lock").setAttribute("aria-pressed", String(locked));
    $("roll-again").textContent = this.free.some((i) => piece.bars[i].notes.length) || !this.free.length ? "Roll again" : "Fill";
    $("lock").textContent = locked ? "Locked" : "Lock";
    enable($("lock"), !isGiven && !studio.isBusy);
    for (const id of ["roll-again", "with-following"]) enable($(id), canWrite);
    $("with-following").disabled = !canWrite;
    for (const id of ["alternatives", "blend"]) enable($(id), canWrite && this.isOne && !bar.given);
    enable($("vary"), canWrite && this.isOne && !bar.given && !bar.own);
    const why = state.run.why_no_other_hand;
    const hasNotes = piece.bars.slice(this.first, this.last + 1).some(({ notes }) => notes.length);
    enable($("hand-write"), !studio.isBusy && !why && hasNotes);
    const other = why && state.runs.find((run) => !run.why_no_other_hand)?.name;
    $("hand-says").textContent = why ? `${why}${other ? ` ${other} can.` : ""}` : (hasNotes ? "What is kept stays to the note; the bar is then yours." : "There is nothing to keep: set some notes.");
    for (const button of $("phrase-tools").querySelectorAll("button")) enable(button, !studio.isBusy);
    enable($("bars-paste"), !studio.isBusy && this.clipboard !== null);
    enable($("bars-earlier"), !studio.isBusy && this.first > 0);
    enable($("bars-later"), !studio.isBusy && this.last < piece.bars.length - 1);
    $("bar-facts").textContent = this.facts(bar, isGiven, locked);
  }

  facts(bar, isGiven, locked) {
    if (!bar.notes.length && (bar.own || (bar.given && isDraft(this.state.piece)))) return "Empty: draw in it, or let the model fill it.";
    if (bar.given) return isDraft(this.state.piece) ? "Given: the model goes on from it." : "Given: it stays as it is, and the model goes on from it.";
    if (bar.own) return locked ? "Yours: locked, so that the model leaves it as it is." : "Yours, and unlocked: the model may write it anew.";
    if (!this.isOne) return "";
    return capital(`${describe(bar)}. ${this.origin(bar.recipe)}`);
  }

  origin(recipe) {
    if (!recipe) return "";
    if ("share" in recipe) return `A blend, ${Math.round(100 * recipe.share)} % of the way.`;
    const copies = (recipe.attempt ?? 0) + (recipe.rank ?? 0);
    const again = copies ? ` Draw ${copies + 1}: those before were copies.` : "";
    return `Seed ${recipe.seed}, temperature ${recipe.temperature}, follow ${recipe.follow}.${again}`;
  }

  // ------------------------------------------------------------------ bars of the model

  lock() {
    const { state } = this;
    state.put(withLock(state.piece, this.first, this.last, this.free.length > 0));
  }

  async rollAgain() {
    this.close();
    const { first, isOne, free, studio, state } = this;
    if (await studio.writing.roll(free, $("with-following").checked) && isOne) {
      studio.transport.hearBar(state.piece.bars[first]);
    }
  }

  async vary() {
    this.close();
    const { first, state, studio } = this;
    await studio.writing.vary(first, VARIED);
    if (state.piece.bars[first]) studio.transport.hearBar(state.piece.bars[first]);
  }

  // One row of more tools at a time.
  openTools(name, isToOpen) {
    for (const each of ["phrase", "hand"]) {
      const isOpen = each === name && isToOpen;
      $(`${each}-tools`).hidden = !isOpen;
      $(each).setAttribute("aria-expanded", String(isOpen));
    }
  }

  // The other hand in the selected bars that have notes.
  async writeHand() {
    this.close();
    const { first, last, isOne, studio, state } = this, [keep, side] = $("hand-what").value.split(" ");
    const bars = state.piece.bars.flatMap(({ notes }, i) => (i >= first && i <= last && notes.length ? [i] : []));
    if (await studio.writing.harmonise(bars, keep, side) && isOne) studio.transport.hearBar(state.piece.bars[first]);
  }

  // ------------------------------------------------------------------ phrases

  put(piece, first = -1, last = first) {
    this.state.put(piece);
    this.state.selectBars(Math.min(first, piece.bars.length - 1), Math.min(last, piece.bars.length - 1));
  }

  // Whether so many more bars have no room.
  isTooLong(more) {
    const { most } = this.studio;
    if (this.state.piece.bars.length + more <= most) return false;
    fail(new Error(`A piece has up to ${most} bars.`));
    return true;
  }

  copy() { this.clipboard = this.state.piece.bars.slice(this.first, this.last + 1); this.show(); }

  paste() {
    const { clipboard, last, state } = this;
    if (!clipboard || this.isTooLong(clipboard.length)) return;
    const at = last < 0 ? state.piece.bars.length : last + 1;
    this.put(withBarsAt(state.piece, at, clipboard), at, at + clipboard.length - 1);
  }

  repeat() {
    const { first, last, state } = this;
    const bars = state.piece.bars.slice(first, last + 1);
    if (!this.isTooLong(bars.length)) this.put(withBarsAt(state.piece, last + 1, bars), last + 1, last + bars.length);
  }

  // An empty bar behind the selected ones, of the chosen metre or of theirs.
  insert() {
    const { last, state, studio } = this;
    const at = last < 0 ? state.piece.bars.length : last + 1;
    const width = state.settings.metre || !at ? studio.widthToDraw : state.piece.bars[at - 1];
    if (!this.isTooLong(1)) this.put(withBarsAt(state.piece, at, [emptyBar(width)]), at);
  }

  moveBy(by) {
    const { first, last, state } = this;
    const to = first + by;
    if (to < 0 || last + by >= state.piece.bars.length) return;
    this.put(withBarsMoved(state.piece, first, last, to), to, last + by);
  }

  remove() {
    const { first, last, state } = this;
    this.put(withoutBars(state.piece, first, last), -1);
  }

  keepOnly() { this.put(onlyBars(this.state.piece, this.first, this.last), -1); }

  // What follows the selected bars is taken out: the model goes on from here.
  endHere() { this.put(onlyBars(this.state.piece, 0, this.last), -1); }

  // ------------------------------------------------------------------ ten alternatives

  async showAlternatives() {
    const { state, studio, first: bar } = this;
    const found = await studio.writing.alternatives(bar);
    if (!found) return;
    const { list, start } = found;
    const cards = list.map((each, i) => {
      const canvas = element("canvas", { "aria-hidden": "true" });
      const button = element("button", { "aria-pressed": "false" }, canvas, element("span", { text: `${i + 1}` }));
      button.setAttribute("aria-label", `Alternative ${i + 1}, ${describe(each)}`);
      button.addEventListener("click", () => this.choose(i));
      return button;
    });
    const strip = element("div", { class: "strip", role: "group", "aria-label": "Ten alternatives" }, ...cards);
    this.open(element("p", { class: "hint", text: `Press one to see and hear it in the place of bar ${bar + 1}.` }), strip);
    this.candidates = { version: state.version, start, bar, list, chosen: -1 };
    cards.forEach((card, i) => drawSmall(card.firstChild, [list[i]]));
    cards[0].focus();
  }

  // ------------------------------------------------------------------ a blend of two bars

  showBlend() {
    const { state, first: here } = this;
    const { piece } = state;
    const { metre } = piece.bars[here];
    const written = piece.bars.map((bar, i) => [bar, i]).filter(([bar]) => !bar.given && !bar.own && bar.metre === metre);
    if (written.length < 2) {
      fail(new Error(`A blend needs two bars in ${metre} that the model has written; compose more.`));
      return;
    }
    const options = () => written.map(([, i]) => new Option(`bar ${i + 1}`, i));
    const from = element("select", {}, ...options());
    const to = element("select", {}, ...options());
    from.value = written.some(([, i]) => i === here) ? here : written[0][1];
    to.value = written.map(([, i]) => i).find((i) => i > Number(from.value)) ?? written[0][1];
    const slider = element("input", { type: "range", min: 0, step: 1, value: 0, "aria-label": "How far from one bar to the other" });
    const line = element("div", { class: "row" },
      element("label", { class: "check", text: "from " }, from),
      element("label", { class: "check", text: "to " }, to), slider);
    const load = () => this.loadBlend(here, Number(from.value), Number(to.value), slider);
    from.addEventListener("change", load);
    to.addEventListener("change", load);
    slider.addEventListener("input", () => { if (this.candidates?.list.length) this.choose(Number(slider.value)); });
    this.open(
      element("p", { class: "hint", text: `Steps on the way from one bar to another, as the model sees them; bar ${here + 1} becomes the one you choose.` }),
      line);
    this.candidates = { version: state.version, start: piece, bar: here, list: [], chosen: -1 };
    from.focus();
    load();
  }

  async loadBlend(bar, first, second, slider) {
    const { state, studio } = this;
    const { bars } = state.piece;
    const list = await studio.writing.blend(state.piece, bar, bars[first].name, bars[second].name);
    if (!list || this.candidates?.bar !== bar) return;
    this.candidates.list = list;
    slider.max = list.length - 1;
    this.choose(Number(slider.value));
  }

  // ------------------------------------------------------------------ both

  open(...children) {
    const use = element("button", { class: "primary", id: "use", text: "Use it" });
    enable(use, false);
    use.addEventListener("click", () => this.use());
    const cancel = element("button", { text: "Cancel" });
    cancel.addEventListener("click", () => this.cancel());
    $("candidates").replaceChildren(...children, element("div", { class: "row" }, use, cancel));
    $("candidates").hidden = false;
  }

  choose(index) {
    const { candidates, studio } = this;
    candidates.chosen = index;
    enable($("use"), true);
    $("candidates").querySelectorAll(".strip button").forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i === index));
    });
    const bar = candidates.list[index];
    studio.showPiece(candidates.bar, bar);
    studio.transport.change();
    studio.transport.hearBar(bar);
  }

  use() {
    const { start, bar, list, chosen } = this.candidates ?? {};
    if (!(chosen >= 0)) return;
    this.state.put(withBar(start, bar, list[chosen]));
    this.focusBar(bar);
  }

  // Back to the bar that others were shown for; gives whether there were any.
  cancel() {
    if (!this.candidates) return false;
    const { bar } = this.candidates;
    this.close();
    this.studio.transport.change();
    this.focusBar(bar);
    return true;
  }

  focusBar(bar) { $("ruler").children[bar]?.focus({ preventScroll: true }); }

  close() {
    this.candidates = null;
    $("candidates").hidden = true;
    $("candidates").replaceChildren();
    this.studio.showPiece();
  }
}
