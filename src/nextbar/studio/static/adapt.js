// A model of one's own, made of the one that composes next and some files: it learns in a process of
// the studio, can be stopped, and goes on. When it is done, it composes next.

import { addToModel, beginModel, listModels, listRuns, startModel, stopModel } from "./api.js";
import { $, element, enable, fail, onPress, say } from "./page.js";

const LOOKED_EVERY = 1000;   // milliseconds, while one learns

export class Adapting {
  #files = [];
  #watching = 0;
  #running = new Set();

  constructor({ state, settings }) {
    Object.assign(this, { state, settings });
    $("own-files").addEventListener("change", () => this.take([...$("own-files").files]));
    onPress("own-start", () => this.begin());
    state.addEventListener("change", () => this.show());
  }

  // Files to learn from, chosen or dropped.
  take(files) {
    this.#files = files;
    this.show();
    $("own-card").scrollIntoView({ block: "nearest" });
  }

  show() {
    const n = this.#files.length;
    $("own-list").textContent = n ? this.#files.map(({ name }) => name).join(", ") : "";
    $("own-start").textContent = n ? `Learn from ${n === 1 ? "it" : `these ${n}`}` : "Learn from them";
    enable($("own-start"), n > 0 && Boolean(this.state.run));
    $("own-base").textContent = this.state.run?.name ?? "the model";
  }

  async begin() {
    const files = this.#files;
    try {
      const { id } = await beginModel({ run: this.state.run.fingerprint, name: $("own-name").value.trim() });
      for (const file of files) await addToModel(id, file);
      await startModel(id);
      this.#files = [];
      $("own-files").value = "";
      say("It learns; you can go on meanwhile");
    } catch (error) { fail(error); }
    this.show();
    this.watch();
  }

  // Looks how far all are, and again while one learns.
  async watch() {
    clearTimeout(this.#watching);
    let jobs, isKept;
    try {
      ({ jobs, is_kept: isKept } = await listModels());
    } catch (error) { fail(error); return; }
    $("own-kept").hidden = isKept || !jobs.length;
    $("own-jobs").replaceChildren(...jobs.map((job) => this.#card(job)));
    for (const job of jobs) {
      if (job.state === "running") this.#running.add(job.id);
      else if (this.#running.delete(job.id)) await this.#ended(job);
    }
    if (this.#running.size) this.#watching = setTimeout(() => this.watch(), LOOKED_EVERY);
  }

  async #ended(job) {
    if (job.state === "failed") { fail(new Error(`${job.name}: ${job.says.at(-1)}`)); return; }
    if (job.state !== "done") return;
    this.state.setRuns((await listRuns()).runs);
    this.settings.chooseRun(job.fingerprint);
    say(`${job.name} is ready, and composes next`);
  }

  #card({ id, name, state, says, done, of }) {
    const words = {
      running: of ? `learning, ${Math.round((100 * done) / of)} % at most: it stops by itself` : "reading the files, and writing bars of its own to learn beside",
      stopped: "stopped", failed: "failed", done: "ready", files: "waiting",
    }[state];
    const line = element("li", {}, element("strong", { text: name }), element("span", { class: "hint", text: words }));
    if (state === "running") {
      const bar = element("progress", { max: Math.max(of, 1), "aria-label": `${name}: how far it is` });
      if (of) bar.value = done;
      line.append(bar);
    }
    if (says.length) line.append(element("details", {}, element("summary", { text: "What was said" }), ...says.map((text) => element("p", { class: "hint", text }))));
    const press = (text, work) => {
      const button = element("button", { text });
      button.addEventListener("click", async () => {
        enable(button, false);
        try { await work(id); } catch (error) { fail(error); }
        this.watch();
      });
      line.append(button);
    };
    if (state === "running") press("Stop", stopModel);
    if (state === "stopped") press("Go on", startModel);
    return line;
  }
}
