// Pieces kept in this browser, taken away as files, and opened again: from the tray, a recipe file or
// a link.

import { download, listRuns, post } from "./api.js";
import { linkTo, recipeInAddress } from "./link.js";
import { $, element, enable, fail, onPress, say } from "./page.js";
import { drawSmall } from "./roll.js";
import { apart, asGiven, toShare } from "./share.js";
import { discard, discardDamaged, keep, tray, watchTray } from "./storage.js";

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const seedOf = ({ made }) => Object.values(made).find((each) => "seed" in each)?.seed;

export class Keeping {
  // studio: writing, transport, runs, fit(). mostBytes: of a file.
  constructor({ state, studio }) {
    Object.assign(this, { state, studio });
    this.mostBytes = Infinity;
    for (const button of document.querySelectorAll(".downloads [data-kind]")) {
      button.addEventListener("click", () => { if (this.state.piece?.bars.length) this.takeAway(button.dataset.kind); });
    }
    onPress("keep", () => this.keep());
    onPress("discard-damaged", () => { discardDamaged(); this.showTray(); });
    $("open-recipe").addEventListener("change", () => { if ($("open-recipe").files[0]) this.openFile($("open-recipe").files[0]); });
    watchTray(() => this.showTray());
    state.addEventListener("change", () => this.show());
    this.showTray();
  }

  show() {
    const hasBars = Boolean(this.state.piece?.bars.length);
    for (const button of document.querySelectorAll(".downloads [data-kind]")) enable(button, hasBars);
    enable($("keep"), hasBars);
    $("link-line").hidden = true;
  }

  // ------------------------------------------------------------------ opening

  // Gives whether it is open. Its run composes next, where it is open here; else its notes are given
  // bars, where the file has them.
  async open(shared, settings = {}) {
    const { state, studio } = this, { recipe, heard } = apart(shared);
    let lacks = "";
    const piece = await studio.writing.busy(async (signal) => {
      try {
        return await post("/api/open", { piece: recipe }, signal);
      } catch (error) {
        if (error.status !== 404 || !heard) throw error;
        lacks = `This piece was made with ${heard.model}, which is not open here: its notes are here as given bars, and ${state.run.name} goes on from them. What was written cannot be varied or made again.`;
        return post("/api/open", { piece: asGiven(heard, state.run, recipe.sound) }, signal);
      }
    });
    if (!piece) return false;
    if (!state.runs.some(({ fingerprint }) => fingerprint === piece.recipe.run)) state.setRuns((await listRuns()).runs);
    studio.transport.stop();
    const bars = piece.bars.length ? {} : { bars: state.settings.bars };
    state.put(piece, { run: piece.recipe.run, ...this.#madeWith(piece), ...bars, ...settings });
    state.selectBars(-1, -1);
    studio.fit();
    if (lacks) fail(new Error(lacks));
    return true;
  }

  // The settings that a piece was made with, as far as its recipe tells.
  #madeWith({ recipe }) {
    const drawn = Object.values(recipe.made).filter((each) => "seed" in each);
    if (!drawn.length) return {};
    const { seed, temperature, follow } = drawn[0];
    return { seed, temperature, follow, bars: recipe.bars.length };
  }

  async openFile(file) {
    try {
      if (file.size > this.mostBytes) throw new Error(`${file.name}: this is no recipe, it is too large.`);
      const recipe = JSON.parse(await file.text());
      if (await this.open(recipe)) say(`Opened ${file.name}`);
    } catch (error) {
      fail(error instanceof SyntaxError ? new Error(`${file.name}: this is no recipe file.`) : error);
    }
  }

  async openLink() {
    try {
      const recipe = await recipeInAddress();
      if (recipe && await this.open(recipe)) say("Opened the piece of the link");
    } catch (error) { fail(error); }
  }

  // ------------------------------------------------------------------ taking away

  async takeAway(kind) {
    const { recipe } = this.state.piece;
    const name = `nextbar-${seedOf(recipe) ?? "piece"}`;
    const shared = toShare(this.state.piece, this.state.runOfPiece);
    if (kind === "recipe") {
      save(new Blob([JSON.stringify(shared, null, 1)], { type: "application/json" }), `${name}.json`);
    } else if (kind === "link") {
      await this.showLink(recipe, shared);
    } else {
      const blob = await this.studio.writing.busy(() => download(`/api/export/${kind}`, { piece: recipe }));
      if (blob) save(blob, `${name}.${kind}`);
    }
  }

  // Shows the link, ready to be copied by hand too: a page on a network may not write the clipboard.
  // Where there is no room for the notes, it is the recipe alone.
  async showLink(recipe, shared) {
    try {
      $("link").value = await linkTo(shared).catch(() => linkTo(recipe));
    } catch (error) {
      fail(error);
      return;
    }
    $("link-line").hidden = false;
    $("link").select();
    try {
      await navigator.clipboard.writeText($("link").value);
      say("The link is copied");
    } catch {
      say("Copy the link");
    }
  }

  // ------------------------------------------------------------------ the tray

  keep() {
    const { recipe, bars } = this.state.piece;
    const when = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const seed = seedOf(recipe);
    const name = $("keep-name").value.trim();
    const kept = keep({
      title: name || `${bars.length} ${bars.length === 1 ? "bar" : "bars"}, ${seed === undefined ? "" : `seed ${seed}, `}${when}`,
      recipe, bars: bars.map(({ notes, given, own, n_steps }) => ({ notes, given: Boolean(given || own), n_steps })),
    });
    if (kept) fail(new Error(kept));
    else {
      $("keep-name").value = "";
      say("Kept");
    }
    this.showTray();
  }

  showTray() {
    const { kept, damaged } = tray();
    $("tray-hint").textContent = kept.length
      ? "Kept in this browser, also after a reload." : "What you keep stays in this browser, also after a reload.";
    $("tray-damaged").hidden = damaged === 0;
    $("tray-damaged-says").textContent = damaged === 1 ? "One kept piece is damaged, and not shown." : `${damaged} kept pieces are damaged, and not shown.`;
    $("tray").replaceChildren(...kept.map((entry) => {
      const picture = element("canvas", { "aria-hidden": "true" });
      const open = element("button", {}, picture, element("span", { text: entry.title }));
      open.addEventListener("click", () => this.open(entry.recipe));
      const away = element("button", { class: "quiet icon", text: "×", "aria-label": `Discard ${entry.title}` });
      away.addEventListener("click", () => { discard(entry.id); this.showTray(); });
      queueMicrotask(() => drawSmall(picture, entry.bars));
      return element("li", {}, open, away);
    }));
  }
}
