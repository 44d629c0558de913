// A trained model that writes one bar at a time, as nextbar.writing.bar_by_bar does: the same notes of
// the same seed, place, settings and bars around, but for sums that round differently at an edge.

import { Decoder, Encoder, memoryFor } from "./networks.js";
import { Critic, PHRASE } from "./phrases.js";
import { Pointer, Posterior } from "./pointer.js";
import { Rows } from "./random.js";
import { readWeights } from "./weights.js";

export const SLOTS = 16;            // bars drawn side by side, of which one is chosen
const KEPT = 200;                   // generators that are remembered, of so many keys
const ECHO = 1000;                  // off the score of what is to be new, and is not
const FAINTEST = Math.fround(0.5 / 127);

export class Model {
  #rows = new Map();

  // weights: the bytes of the checkpoint. described: what run.json says.
  constructor(bytes, { config, shape, widths = [] }, options = {}) {
    // What only training needs is passed over; what is not known must not be.
    const repeats = config.repeats ?? [];
    const isPassedOver = repeats.length ? /\.num_batches_tracked$/ : /^posterior\.|\.num_batches_tracked$/;
    const weights = readWeights(bytes, "exported.", (name) => isPassedOver.test(name));
    const kinds = Math.max(widths.length, 1);
    const how = { config, shape, kinds, slots: SLOTS, ...options };
    const memory = memoryFor(weights, how);
    Object.assign(this, { config, shape });
    this.encoder = new Encoder(weights, memory, how);
    this.decoder = new Decoder(weights, memory, how);
    const learned = weights["phrases.n_updates"]?.values[0] > 0;
    this.critic = learned ? new Critic(weights, memory, how) : null;
    const points = weights["pointer.n_updates"]?.values[0] > 0;
    this.pointer = points ? new Pointer(weights, memory, how) : null;
    const used = new Set([this.encoder, this.decoder].flatMap((part) => [...part.used]));
    const unknown = Object.keys(weights).find((name) => !used.has(name) && !/^(phrases|pointer|posterior)\./.test(name));
    if (unknown) throw new Error(`This model has a part that the page does not know (${unknown}); make the page anew with the nextbar that made the model.`);
    this.posterior = points ? new Posterior(weights, memory, how) : null;
    this.memory = Math.max(...config.history, ...repeats);
    this.repeats = repeats;
    this.reach = Math.max(0, ...config.ahead);
    this.latentSize = shape[2] * config.latent;
    this.noiseSize = this.latentSize + 2 * shape[2] + (repeats.length > 0);
  }

  // Row ``nth`` of the numbers that a key draws.
  #row(key, size, kind, nth) {
    const name = `${key} ${kind}`;
    const rows = this.#rows.get(name) ?? new Rows(key, size, kind);
    this.#rows.delete(name);
    this.#rows.set(name, rows);
    if (this.#rows.size > KEPT) this.#rows.delete(this.#rows.keys().next().value);
    return rows.row(nth);
  }

  // A bar {roll, columns, kind, isHeard, latent}. width: its {columns, kind}. before: bars, the latest last;
  // null: from noise. towards: bars behind it, ``gap`` bars away.
  write({ seed, position, temperature, follow, choose, repeat = 1, before, towards = [], gap = 0 }, { columns, kind }) {
    const chooses = this.critic !== null && choose > 0;
    const noise = [...Array(chooses ? SLOTS : 1).keys()].map((nth) => (
      this.#row(nth ? [seed, nth] : [seed], this.noiseSize, "normal", position)
    ));
    const latents = this.#latents(noise, { temperature, follow, before, towards, gap }, { columns, kind });
    const rolls = this.decoder.rolls(latents, columns, FAINTEST);
    const again = this.#again(noise, { temperature, follow, repeat, before, towards, gap }, kind);
    again.forEach((bar, i) => { if (bar) rolls[i] = bar.roll; });
    let taken = 0;
    if (chooses) {
      const luck = this.#row([seed, SLOTS], SLOTS, "gumbel", position);
      const last = (before ?? []).slice(-(PHRASE - 1)).map(({ roll }) => roll);
      const echoes = this.#echoes(rolls, again, { before, towards, gap }, kind);
      const scores = this.critic.logits(last, rolls).map((logit, i) => (
        Math.fround(Math.fround(Math.fround(choose * logit) + luck[i]) - (echoes[i] ? ECHO : 0))
      ));
      taken = scores.indexOf(Math.max(...scores));
    }
    const latent = again[taken] ? this.posterior.means(again[taken]) : latents[taken];
    return this.#bar(rolls[taken], latent, { columns, kind });
  }

  // For each row of noise the bar that comes again in place of a drawn one, or null.
  #again(noise, { temperature, follow, repeat, before, towards, gap }, kind) {
    if (!this.pointer) return noise.map(() => null);
    return this.pointer.points(this.#around({ before, towards, gap }), kind, noise, { temperature, follow, repeat });
  }

  #around({ before, towards, gap }) {
    const ahead = this.config.ahead.map((lag) => towards[lag - 1 - gap] ?? null);
    return [...this.repeats.map((lag) => before?.at(-lag) ?? null), ...ahead];
  }

  // Which rolls are a bar that might have come again, and yet were drawn.
  #echoes(rolls, again, bars, kind) {
    if (!this.pointer) return rolls.map(() => false);
    const known = this.#around(bars).filter((bar) => bar?.isHeard && bar.kind === kind);
    return rolls.map((roll, i) => !again[i] && known.some((bar) => bar.roll.every((cell, at) => (cell > 0) === (roll[at] > 0))));
  }

  // The bars that latents give, all of one width.
  decode(latents, width) {
    const rolls = [];
    for (let i = 0; i < latents.length; i += SLOTS) rolls.push(...this.decoder.rolls(latents.slice(i, i + SLOTS), width.columns, FAINTEST));
    return rolls.map((roll, i) => this.#bar(roll, latents[i], width));
  }

  #bar(roll, latent, { columns, kind }) {
    const whole = new Float32Array(this.latentSize);
    whole.set(latent.subarray(0, columns * this.config.latent));
    return { roll, latent: whole, columns, kind, isHeard: roll.some((cell) => cell > 0) };
  }

  #latents(noise, { temperature, follow, before, towards, gap }, { columns, kind }) {
    const nothing = () => this.encoder.contexts(this.encoder.lags.map(() => null), columns, kind);
    const ahead = this.config.ahead.map((lag) => towards[lag - 1 - gap] ?? null);
    const isFree = before === null && ahead.every((bar) => bar === null);
    if (isFree && !this.config.forget) {
      return noise.map((row) => row.subarray(0, this.latentSize).map((each) => each * temperature));
    }
    const back = this.config.history.map((lag) => before?.at(-lag) ?? null);
    const reading = isFree ? nothing() : this.encoder.contexts([...back, ...ahead], columns, kind);
    const keeps = before === null ? 1 : follow;
    return this.encoder.draw(reading, noise, { temperature, follow: keeps }, keeps < 1 ? nothing() : null);
  }
}
