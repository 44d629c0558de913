// The piece beside real tunes: each measure, and the band in which they lie.

import { post } from "./api.js";
import { $, element } from "./page.js";

const SVG = "http://www.w3.org/2000/svg";
const round = (value) => (Math.abs(value) >= 10 ? Math.round(value) : Math.round(value * 100) / 100);

export class Measures {
  #measured = null;
  #timer = 0;

  // isBusy(): whether the model is asked for something, which then comes first.
  constructor({ state, isBusy }) {
    Object.assign(this, { state, isBusy });
    state.addEventListener("change", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#measure(), 500);
    });
  }

  async #measure() {
    const { piece, runOfPiece: run, isPreview } = this.state;
    if (piece === this.#measured || this.isBusy() || isPreview) return;
    this.#measured = piece;
    $("measures-none").hidden = run?.bands !== false;
    if (!piece?.bars.length) { $("measures").replaceChildren(); return; }
    try {
      const { measures } = await post("/api/measures", { piece: piece.recipe });
      if (this.state.piece !== piece) return;
      // Of copies nothing is known without the training tunes.
      const known = measures.filter(({ value, low }) => value !== null || low !== null);
      $("measures").replaceChildren(...known.map(showMeasure));
      $("measures-alone").hidden = !(run.bands && measures.every(({ low }) => low === null));
    } catch (error) { $("measures").textContent = error.message; }
  }
}

function showMeasure({ label, unit, says, value, low, high }) {
  const shown = element("b", { text: value === null ? "–" : `${round(value)}${unit === "%" ? " %" : ""}` });
  const line = element("div", { class: "measure", title: says }, element("span", { text: label }), shown);
  if (low === null || value === null) return line;
  const most = Math.max(high, value, 1e-9) * 1.12;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `real tunes ${round(low)} to ${round(high)}, this piece ${round(value)}`);
  const put = (tag, attributes) => {
    const part = document.createElementNS(SVG, tag);
    for (const [key, each] of Object.entries(attributes)) part.setAttribute(key, each);
    svg.append(part);
  };
  const isInside = value >= low && value <= high;
  put("rect", { class: "all", x: "0%", y: 5, width: "100%", height: 2 });
  put("rect", { class: "band", x: `${(100 * low) / most}%`, y: 2, width: `${Math.max((100 * (high - low)) / most, 1)}%`, height: 8, rx: 3 });
  put("circle", { class: isInside ? "inside" : "beyond", cx: `${Math.min(Math.max((100 * value) / most, 2), 98)}%`, cy: 6, r: 5 });
  line.append(svg);
  return line;
}
