// A new piece: from silence, from bars of a training tune, from a file of one's own, or from empty
// bars to draw in. What it begins from stands on the roll at once, and can be changed there.

import { get, post } from "./api.js";
import { $, element, fail, onPress, say } from "./page.js";
import { blank, emptyBar } from "./piece.js";

export class Beginnings {
  // studio: writing, transport, widthToDraw, editing, openRecipeFile(file).
  constructor({ state, studio }) {
    Object.assign(this, { state, studio });
    this.mostBars = 1;      // that a piece may begin from; the server says it
    this.tunes = null;      // of the run that they were asked of
    this.file = null;
    onPress("new-silence", () => this.begin(blank(state.run.fingerprint), "Silence: press Compose"));
    onPress("new-draw", () => this.draw());
    onPress("new-tune", () => this.unfold($("begin-tune").hidden ? "tune" : ""));
    onPress("new-file", () => this.unfold($("begin-file").hidden ? "file" : ""));
    $("tune-search").addEventListener("input", () => this.listTunes());
    $("tune-list").addEventListener("change", () => this.loadTune($("tune-list").value));
    $("file").addEventListener("change", () => { if ($("file").files[0]) this.take($("file").files[0]); });
    $("file-tune").addEventListener("change", () => this.take(this.file, { tune: $("file-tune").value }));
    $("file-track").addEventListener("change", () => this.take(this.file, { tune: this.upload?.tune, track: $("file-track").value }));
    this.watchDrops();
  }

  unfold(kind) {
    for (const each of ["tune", "file"]) {
      $(`begin-${each}`).hidden = each !== kind;
      $(`new-${each}`).setAttribute("aria-expanded", String(each === kind));
    }
    if (kind === "tune") this.loadTunes();
  }

  // The piece is another, and nothing in it is selected.
  begin(piece, sentence) {
    this.studio.writing.giveUp();
    this.studio.transport.stop();
    this.state.put(piece);
    this.state.selectBars(-1, -1);
    this.studio.fit();
    say(sentence);
  }

  draw() {
    this.unfold("");
    const { run } = this.state;
    const bars = Array(Number($("draw-bars").value)).fill(emptyBar(this.studio.widthToDraw));
    const { recipe } = blank(run.fingerprint);
    this.begin({
      recipe: { ...recipe, given_bars: bars.length, given_metres: bars.map(({ metre }) => metre), transposed: null },
      bars: bars.map((bar) => ({ ...bar, given: true, own: false })),
    }, "Draw in the roll, then press Compose");
    this.studio.editing.choose("draw");
    $("roll").focus();
  }

  // Bars of a tune or a file on the roll, as the server reads them.
  async put({ notes, bars, metres, known, transposed, sound, starts }, sentence) {
    const n = Math.min(bars, this.mostBars);
    const run = this.state.run.fingerprint;
    const kept = notes.filter(([start, duration]) => start + duration <= starts[n]);
    const { recipe } = blank(run, sound ?? null);
    const asked = { ...recipe, given_bars: n, given_metres: metres.slice(0, n), given_notes: kept, transposed };
    const shown = await this.studio.writing.busy((signal) => post("/api/open", { piece: asked }, signal));
    if (!shown) return;
    const all = shown.bars.map((bar, i) => ({ ...bar, known: known[i] }));
    const more = n < bars ? ` Its first ${n} of ${bars} bars are taken: a piece may begin from no more.` : "";
    this.begin({ recipe: shown.recipe, bars: all }, `${sentence}${more}`);
  }

  // ------------------------------------------------------------------ a training tune

  async loadTunes() {
    const { run } = this.state;
    $("tune-none").hidden = run.tunes;
    $("tune-some").hidden = !run.tunes;
    $("tune-none").textContent = run.tunes ? "" : `There are no tunes here: ${run.why_no_tunes}`;
    if (!run.tunes || this.tunes?.run === run.fingerprint) return;
    try {
      const { tunes } = await get(`/api/tunes?run=${run.fingerprint}`);
      this.tunes = { run: run.fingerprint, list: tunes };
      this.listTunes();
    } catch (error) { fail(error); }
  }

  listTunes() {
    const wanted = $("tune-search").value.trim().toLowerCase();
    const found = (this.tunes?.list ?? []).filter((tune) => tune.name.toLowerCase().includes(wanted));
    $("tune-list").replaceChildren(...found.slice(0, 400).map((tune) => {
      const option = new Option(tune.name.replace(/\.(abc|midi?)$/i, ""), tune.number);
      option.title = `${tune.bars} bars`;
      return option;
    }));
    $("tune-more").textContent = found.length > 400 ? `400 of ${found.length} are listed; type more of the name.` : "";
  }

  async loadTune(number) {
    try {
      const tune = await get(`/api/tunes/${number}?run=${this.state.run.fingerprint}`);
      await this.put(tune, `${tune.name}: ${tune.bars} bars. The model goes on from the last.`);
      this.studio.transport.play(0);
    } catch (error) { fail(error); }
  }

  // ------------------------------------------------------------------ a file of one's own

  watchDrops() {
    const target = document.body;
    target.addEventListener("dragover", (event) => { event.preventDefault(); target.classList.add("dropping"); });
    target.addEventListener("dragleave", (event) => { if (!event.relatedTarget) target.classList.remove("dropping"); });
    target.addEventListener("drop", (event) => {
      event.preventDefault();
      target.classList.remove("dropping");
      const files = [...event.dataTransfer?.files ?? []], [file] = files;
      if (!file) return;
      if (files.length > 1) { this.studio.adapting.take(files); return; }
      if (file.name.endsWith(".json")) { this.studio.openRecipeFile(file); return; }
      this.take(file);
    });
  }

  // Reads a file, or another tune or track of it; ``reading`` is done when its notes are there.
  take(file, chosen = {}) {
    this.file = file;
    this.unfold("file");
    this.reading = this.read(chosen);
  }

  async read({ tune, track = "all" }) {
    const where = new URLSearchParams({ run: this.state.run.fingerprint, name: this.file.name.slice(-200), track });
    if (tune) where.set("tune", tune);
    $("file-problem").hidden = true;
    try {
      this.upload = await post(`/api/upload?${where}`, this.file);
    } catch (error) {
      $("file-problem").textContent = error.message;
      $("file-problem").hidden = false;
      if (!tune && track === "all") $("file-choices").hidden = true;
      fail(error);
      return;
    }
    const { tracks, bars, cut, tune: number, tunes, says } = this.upload;
    if (!tune) this.choices = this.upload.choices;
    const which = tunes > 1 ? `, tune ${number} of ${tunes}` : "";
    const title = `${this.file.name}${which}: ${bars} bars${cut ? ", of a longer file" : ""}`;
    $("file-choices").hidden = false;
    $("file-name").textContent = title;
    $("file-says").replaceChildren(...says.map((sentence) => element("li", { text: sentence })));
    $("file-track").replaceChildren(
      new Option("all tracks", "all"),
      ...tracks.map((t) => new Option(`${t.number} ${t.name || "unnamed"} (${t.notes} notes)`, t.number)),
    );
    $("file-track").value = track;
    $("file-tune").parentElement.hidden = this.choices.length < 2;
    $("file-tune").replaceChildren(...this.choices.map((each) => new Option(`${each.number} ${each.name}`, each.number)));
    $("file-tune").value = number;
    await this.put(this.upload, `${title}. Compose goes on from its end.`);
  }
}
