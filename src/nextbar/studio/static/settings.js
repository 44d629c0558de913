// The controls of what is composed next. They show the settings that belong to the piece, and moving
// one remakes nothing.

import { $ } from "./page.js";

const NUMBERS = ["bars", "temperature", "follow"];

export class Settings {
  constructor({ state, fail }) {
    Object.assign(this, { state, fail });
    for (const id of NUMBERS) {
      $(id).addEventListener("input", () => this.showNumber(id));
      $(id).addEventListener("change", () => state.set(id, Number($(id).value)));
    }
    $("seed").addEventListener("change", () => this.takeSeed());
    $("new-seed").addEventListener("change", () => state.set("newSeed", $("new-seed").checked));
    $("no-copies").addEventListener("change", () => state.set("noCopies", $("no-copies").checked));
    $("metre").addEventListener("change", () => state.set("metre", $("metre").value || null));
    $("run").addEventListener("change", () => this.chooseRun($("run").value));
    state.addEventListener("change", () => this.show());
  }

  // What the server says of the controls: bounds, steps and values to begin with.
  bound(controls) {
    this.controls = controls;
    for (const [id, { value, ...bounds }] of Object.entries(controls)) Object.assign($(id), bounds);
  }

  // Settings for a piece of a run, before any were chosen.
  of(run) {
    return {
      run: run.fingerprint, bars: this.controls.bars.value, temperature: run.temperature,
      follow: run.follow, seed: 1, newSeed: true, metre: null, noCopies: false,
    };
  }

  // Another model composes next. Its own temperature and follow are what it was tried with.
  chooseRun(fingerprint) {
    const run = this.state.runs.find((each) => each.fingerprint === fingerprint);
    const { metre } = this.state.settings;
    const knows = run.metres.some((each) => each.metre === metre);
    this.state.put(this.state.piece, {
      run: fingerprint, temperature: run.temperature, follow: run.follow, metre: knows ? metre : null,
    });
  }

  takeSeed() {
    if (!$("seed").value || !$("seed").checkValidity()) return;   // said when it is needed
    this.state.put(this.state.piece, { seed: Number($("seed").value), newSeed: false }, "set seed");
  }

  // Takes what stands in the controls, also where the page was not told of it; throws a sentence.
  commit() {
    for (const id of NUMBERS) this.state.set(id, Number($(id).value));
    if (!$("seed").value || !$("seed").checkValidity()) throw new Error("The seed is a whole number, 0 or more.");
    if (Number($("seed").value) !== this.state.settings.seed) this.takeSeed();
  }

  // The seed to compose with: a new one each time, or the one that is shown.
  get seed() { return this.state.settings.newSeed ? newSeed() : this.state.settings.seed; }

  get sampled() {
    const { temperature, follow, noCopies } = this.state.settings;
    return { temperature, follow, no_copies: Boolean(noCopies && this.state.run.knows_copies) };
  }

  show() {
    const { settings, run, runs } = this.state;
    if (!run || !settings.run) return;
    if ($("run").children.length !== runs.length) {
      $("run").replaceChildren(...runs.map((each) => new Option(each.name, each.fingerprint)));
    }
    $("run").value = run.fingerprint;
    $("run").disabled = runs.length < 2;
    $("run-plays").textContent = run.plays;
    $("bars").max = Math.max(this.controls.bars.max, settings.bars);
    for (const id of NUMBERS) {
      $(id).value = settings[id];
      this.showNumber(id);
    }
    if (document.activeElement !== $("seed") || $("seed").checkValidity()) $("seed").value = settings.seed;
    $("new-seed").checked = settings.newSeed;
    $("no-copies").checked = Boolean(settings.noCopies && run.knows_copies);
    $("no-copies").disabled = !run.knows_copies;
    $("no-copies-says").textContent = run.knows_copies
      ? "No bar and no phrase of two is one of the training tunes, in any key; what is, is drawn again."
      : "This model came without fingerprints of its tunes: it cannot be told what is a copy.";
    this.listMetres(run);
  }

  showNumber(id) {
    $(`${id}-now`).textContent = Number($(id).value).toFixed(Number($(id).step || 1) < 1 ? 2 : 0);
  }

  listMetres({ fingerprint, metres }) {
    if (this.listed !== fingerprint) {
      this.listed = fingerprint;
      const seen = (bars) => `${bars.toLocaleString("en")} ${bars === 1 ? "bar" : "bars"}`;
      $("metre").replaceChildren(
        new Option("goes on as before", ""),
        ...metres.map(({ metre, bars, is_little_known: isLittleKnown }) => {
          const says = bars === null ? metre : `${metre}: ${seen(bars)}`;
          return new Option(isLittleKnown ? `${says}, little known` : says, metre);
        }),
      );
      $("metre-control").hidden = metres.length < 2;
    }
    $("metre").value = this.state.settings.metre ?? "";
  }

  // The metre of bars that are set by hand, as the run describes it.
  get widthToDraw() {
    const { run, settings } = this.state;
    return run.metres.find(({ metre }) => metre === settings.metre) ?? run.metres[0];
  }
}

export function newSeed() { return crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000; }
