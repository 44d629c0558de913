// The panel of the selected bar: lock it, roll it again, ten alternatives, a blend of two.

import { post } from "./api.js";
import { describe, drawSmall } from "./roll.js";

const $ = (id) => document.getElementById(id);

function element(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

export class BarPanel {
  // studio: what main.js can do: busy(work), hearBar(bar), rollAgain(bar, following), newSeed(), fail,
  // isInOneMetre.
  constructor(state, studio) {
    Object.assign(this, { state, studio });
    this.candidates = null;   // {piece, bar, list, chosen}: of a bar of that piece
    $("lock").addEventListener("click", () => state.toggleLock(state.selected));
    $("roll-again").addEventListener("click", () => this.rollAgain());
    $("alternatives").addEventListener("click", () => this.showAlternatives());
    $("blend").addEventListener("click", () => this.showBlend());
    state.addEventListener("change", () => this.show());
  }

  rollAgain() {
    this.close();
    this.studio.rollAgain(this.state.selected, $("with-following").checked);
  }

  show() {
    const { state } = this;
    const bar = state.piece?.bars[state.selected];
    $("bar-hint").hidden = Boolean(bar);
    $("bar-tools").hidden = !bar;
    const { candidates } = this;
    if (candidates && (candidates.bar !== state.selected || candidates.piece !== state.piece)) this.close();
    if (!bar) return;
    const isLocked = state.isLocked(state.selected);
    $("bar-title").textContent = `Bar ${state.selected + 1}${this.studio.isInOneMetre ? "" : `, ${bar.metre}`}`;
    $("lock").setAttribute("aria-pressed", String(isLocked));
    $("lock").textContent = isLocked ? "Locked" : "Lock";
    for (const id of ["lock", "roll-again", "alternatives", "blend", "with-following"]) {
      $(id).disabled = bar.given || this.studio.isBusy || (isLocked && id !== "lock");
    }
    $("bar-facts").textContent = bar.given
      ? "A given bar: it stays as it is, and the model goes on from it."
      : `${describe(bar)}. ${this.origin(bar.recipe)}`.replace(/^./, (c) => c.toUpperCase());
  }

  origin(recipe) {
    if ("share" in recipe) return `A blend, ${Math.round(100 * recipe.share)} % of the way.`;
    return `Seed ${recipe.seed}, temperature ${recipe.temperature}, follow ${recipe.follow}.`;
  }

  close() {
    this.candidates = null;
    $("candidates").hidden = true;
    $("candidates").replaceChildren();
    this.studio.showPiece();
  }

  // ------------------------------------------------------------------- ten alternatives

  async showAlternatives() {
    const { state, studio } = this;
    const bar = state.selected;
    const body = {
      piece: state.piece.recipe, bar: bar - state.nGiven, seed: studio.newSeed(), ...studio.settings,
    };
    const answer = await studio.busy((signal) => post("/api/alternatives", body, signal));
    if (!answer) return;
    this.candidates = { piece: state.piece, bar, list: answer.bars, chosen: -1 };
    const cards = answer.bars.map((each, i) => {
      const canvas = element("canvas", { "aria-hidden": "true" });
      const button = element("button", { "aria-pressed": "false" }, canvas,
        element("span", { text: `${i + 1}` }));
      button.setAttribute("aria-label", `Alternative ${i + 1}, ${describe(each)}`);
      button.addEventListener("click", () => this.choose(i));
      return button;
    });
    const strip = element("div", { class: "strip", role: "group", "aria-label": "Ten alternatives" }, ...cards);
    this.open(element("p", { class: "hint", text: `Press one to see and hear it in the place of bar ${bar + 1}.` }), strip);
    cards.forEach((card, i) => drawSmall(card.firstChild, [answer.bars[i]]));
    cards[0].focus();
  }

  // ------------------------------------------------------------------- a blend of two bars

  showBlend() {
    const { state } = this;
    const { metre } = state.piece.bars[state.selected];
    const written = state.piece.bars.map((bar, i) => [bar, i]).filter(([bar]) => !bar.given && bar.metre === metre);
    if (written.length < 2) {
      this.studio.fail(new Error(`A blend needs two written bars in ${metre}; compose more.`));
      return;
    }
    const options = () => written.map(([, i]) => new Option(`bar ${i + 1}`, i));
    const from = element("select", {}, ...options());
    const to = element("select", {}, ...options());
    const here = state.selected;
    from.value = here;
    to.value = written.map(([, i]) => i).find((i) => i > here) ?? written[0][1];
    const slider = element("input", { type: "range", min: 0, step: 1, value: 0, "aria-label": "How far from one bar to the other" });
    const line = element("div", { class: "row" },
      element("label", { class: "check", text: "from " }, from),
      element("label", { class: "check", text: "to " }, to));
    const load = () => this.loadBlend(here, Number(from.value), Number(to.value), slider);
    from.addEventListener("change", load);
    to.addEventListener("change", load);
    slider.addEventListener("input", () => { if (this.candidates?.list.length) this.choose(Number(slider.value)); });
    this.open(
      element("p", { class: "hint", text: `Steps on the way from one bar to another, as the model sees them; bar ${here + 1} becomes the one you choose.` }),
      line, slider);
    this.candidates = { piece: state.piece, bar: here, list: [], chosen: -1 };
    load();
  }

  async loadBlend(bar, first, second, slider) {
    const { state, studio } = this;
    const bars = state.piece.bars;
    const body = {
      piece: state.piece.recipe, bar: bar - state.nGiven,
      first: bars[first].name, second: bars[second].name,
    };
    const answer = await studio.busy((signal) => post("/api/blend", body, signal));
    if (!answer || this.candidates?.bar !== bar) return;
    this.candidates.list = answer.bars;
    slider.max = answer.bars.length - 1;
    this.choose(Number(slider.value));
  }

  // ------------------------------------------------------------------- both

  open(...children) {
    const use = element("button", { class: "primary", text: "Use it" });
    use.disabled = true;
    use.addEventListener("click", () => this.use());
    const cancel = element("button", { text: "Cancel" });
    cancel.addEventListener("click", () => this.close());
    this.useButton = use;
    $("candidates").replaceChildren(...children, element("div", { class: "row" }, use, cancel));
    $("candidates").hidden = false;
  }

  choose(index) {
    const { candidates } = this;
    candidates.chosen = index;
    this.useButton.disabled = false;
    $("candidates").querySelectorAll(".strip button").forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i === index));
    });
    const bar = candidates.list[index];
    this.studio.showPiece(candidates.bar, bar);
    this.studio.hearBar(bar);
  }

  async use() {
    const { bar, list, chosen } = this.candidates;
    const recipe = this.state.recipeWith(bar, list[chosen]);
    this.close();
    await this.studio.openRecipe(recipe);
  }
}
