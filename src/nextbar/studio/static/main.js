// The studio's page: what was pressed -> the API -> the roll, the sound and the panels.

import { download, get, post, stream } from "./api.js";
import { BarPanel } from "./bars.js";
import { Beginnings } from "./begin.js";
import { linkTo, recipeInAddress } from "./link.js";
import { barStarts, drawSmall, joinBars, Roll } from "./roll.js";
import { Sound } from "./sound.js";
import { State } from "./state.js";

const $ = (id) => document.getElementById(id);
const state = new State();
const sound = new Sound();
const roll = new Roll({ box: $("roll"), space: $("space"), ruler: $("ruler"), canvas: $("canvas") });
let runs = [];
let limits = null;       // what the server takes, as it says
let working = null;      // the AbortController of what the model is asked for
let toastTimer = 0;
const STOPPED = new DOMException("Stop was pressed", "AbortError");

// --------------------------------------------------------------------- saying

function say(sentence) { $("status").textContent = sentence; }

function fail(error) {
  if (error.name === "AbortError") return;
  $("toast").textContent = error.message;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").hidden = true; }, 7000);
}

// Runs work that asks the model, one at a time; gives null where it failed or was stopped.
async function busy(work) {
  working?.abort();
  const mine = working = new AbortController();
  refresh();
  try {
    return await work(mine.signal);
  } catch (error) {
    fail(error);
    return null;
  } finally {
    if (working === mine) working = null;
    refresh();
  }
}

// --------------------------------------------------------------------- showing

// The run that the piece was made with, which another may be chosen beside; without a piece, that.
function runOfPiece() {
  const made = !roll.drawing && state.piece?.recipe.run;
  return runs.find((run) => run.fingerprint === made) ?? state.run;
}

function showPiece(at = -1, candidate = null) {
  const bars = [...(state.piece?.bars ?? [])];
  if (candidate) bars[at] = candidate;
  roll.selected = state.selected;
  roll.locked = (bar) => state.isLocked(bar);
  const metres = runOfPiece()?.metres ?? [];
  roll.show(bars, metres.length === 1 ? metres[0].metre : null);
  document.body.classList.toggle("fresh", !bars.length && !roll.drawing);
  $("empty").hidden = bars.length > 0 || Boolean(roll.drawing);
}

function refresh() {
  const ready = Boolean(state.run);
  $("compose").disabled = !ready || Boolean(working);
  $("more").disabled = !ready || Boolean(working) || !state.nWritten;
  $("stop").hidden = !working;
  $("keep").disabled = !state.nWritten;
  $("undo").disabled = !state.canUndo;
  $("redo").disabled = !state.canRedo;
  for (const button of document.querySelectorAll(".downloads button")) button.disabled = !state.piece?.bars.length;
  panel?.show();
}

state.addEventListener("change", () => { showPiece(); refresh(); $("link-line").hidden = true; });
roll.onselect = (bar) => state.select(bar);

// --------------------------------------------------------------------- composing

const settings = {
  get temperature() { return Number($("temperature").value); },
  get follow() { return Number($("follow").value); },
};

// The metre that is to be composed in; null is that of the bar before, of a first one the most frequent.
function metreNow() { return $("metre").value || null; }

// A metre to draw bars in, as the run describes it.
function metreToDraw() {
  const metres = state.run?.metres ?? [{ metre: "4/4", n_steps: 16, beat: 4 }];
  return metres.find(({ metre }) => metre === metreNow()) ?? metres[0];
}

function listMetres({ metres }) {
  const before = $("metre").value;
  const seen = (bars) => `${bars.toLocaleString("en")} ${bars === 1 ? "bar" : "bars"}`;
  $("metre").replaceChildren(
    new Option("goes on as before", ""),
    ...metres.map(({ metre, bars, is_little_known: isLittleKnown }) => {
      const says = bars === null ? metre : `${metre}: ${seen(bars)}`;
      return new Option(isLittleKnown ? `${says}, little known` : says, metre);
    }),
  );
  $("metre").value = metres.some(({ metre }) => metre === before) ? before : "";
  $("metre-control").hidden = metres.length < 2;
}

// Its bounds, step or value; the bounds first, for a value beyond them is not taken.
function setNumber(id, { value, ...bounds }) {
  Object.assign($(id), bounds);
  if (value !== undefined) $(id).value = value;
  showNumber(id);
}

function showNumber(id) {
  const shown = $(`${id}-now`);
  if (shown) shown.textContent = Number($(id).value).toFixed(Number($(id).step || 1) < 1 ? 2 : 0);
}

function newSeed() { return crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000; }

function seedNow() {
  if ($("new-seed").checked) $("seed").value = newSeed();
  const seed = Number($("seed").value);
  if (!$("seed").value || !$("seed").checkValidity()) throw new Error("The seed is a whole number, 0 or more.");
  return seed;
}

// Streams bars into the piece, which has as many as the server says; when the last is there, it is
// the new piece. Gives "whole"; or "stopped" where Stop was pressed, which keeps the bars that are
// there; or null where it failed.
async function follow(path, body, start) {
  const before = state.piece;
  let now = start;
  let last = null;
  let ended = null;
  const done = await busy(async (signal) => {
    ended = signal;
    await stream(path, body, signal, (event) => {
      if (event.event === "waiting") {
        say(`The model is busy: place ${event.place} in the queue`);
      } else if (event.event === "bar") {
        const bars = now.bars.slice(0, event.n_bars);
        bars[event.bar.index] = event.bar;
        now = { ...now, bars };
        state.preview(now);
        say(`Writing bar ${event.bar.index + 1}`);
      } else {
        last = event.piece;
      }
    });
    return true;
  });
  const isStopped = !done && ended?.reason === STOPPED && now !== start;
  if (isStopped) last = await busy((signal) => post("/api/open", { piece: recipeOf(now) }, signal));
  state.piece = before;
  say("");
  if ((done || isStopped) && last) {
    state.put({ ...last, begun: start.begun });
    return isStopped ? "stopped" : "whole";
  }
  if (before) state.preview(before);
  else state.clear();
  return null;
}

// The recipe of a piece of which some bars are new.
function recipeOf({ recipe, bars }) {
  const written = bars.slice(recipe.given_bars);
  const made = Object.fromEntries(written.map((bar) => [bar.name, bar.recipe]));
  return { ...recipe, made: { ...recipe.made, ...made }, bars: written.map((bar) => bar.name) };
}

async function compose({ fresh = true } = {}) {
  let seed, asked;
  await beginnings.reading;
  try {
    seed = fresh ? seedNow() : Number($("seed").value);
    asked = beginnings.asked;
  } catch (error) { fail(error); return; }
  stop();
  const bars = Number($("bars").value);
  const metre = metreNow();
  if (state.piece?.begun === JSON.stringify(asked)) {
    const now = { metre: fresh ? metre : null };   // what a control changes is heard in the same metres
    await follow("/api/recompose", { piece: state.piece.recipe, bars, seed, ...now, ...settings }, state.piece);
    return;
  }
  const begun = await busy((signal) => post("/api/begin", asked, signal));
  if (!begun) return;
  begun.begun = JSON.stringify(asked);
  if (beginnings.kind === "draw") roll.drawing = null;
  const outcome = await follow("/api/compose", { piece: begun.recipe, bars, seed, metre, ...settings }, begun);
  if (!outcome && beginnings.kind === "draw") beginnings.choose("draw");
}

async function writeMore(bars, seed) {
  await follow("/api/compose", { piece: state.piece.recipe, bars, seed, metre: metreNow(), ...settings }, state.piece);
}

async function rollAgain(bar, withFollowing) {
  const body = {
    piece: state.piece.recipe, bar: bar - state.nGiven, seed: newSeed(),
    with_following: withFollowing, ...settings,
  };
  if (await follow("/api/roll", body, state.piece) && !sound.playing) hearBar(state.piece.bars[bar]);
}

async function openRecipe(recipe) {
  const run = runs.find((each) => each.fingerprint === recipe.run);
  const piece = await busy((signal) => post("/api/open", { piece: recipe }, signal));
  if (!piece) return false;
  if (run && run !== state.run) chooseRun(run);
  const isOfThis = state.piece?.begun && sameGiven(state.piece.recipe, piece.recipe);
  if (!isOfThis) beginnings.show(piece);
  state.put({ ...piece, begun: isOfThis ? state.piece.begun : JSON.stringify(beginnings.asked) });
  return true;
}

// A recipe that was kept, with the tempo that it was kept with.
async function openKept(recipe) {
  if (!await openRecipe(recipe)) return false;
  setTempo(state.piece.recipe.sound?.tempo ?? runOfPiece().tempo);
  return true;
}

function sameGiven(one, other) {
  const given = ({ run, given_notes: notes, given_metres: metres }) => JSON.stringify([run, notes, metres]);
  return given(one) === given(other);
}

// A control was moved: the piece is made again with the same seed, so that its effect is seen.
async function recompose() {
  if (!state.nWritten || working || beginnings.kind === "draw") return;
  await compose({ fresh: false });
}

// --------------------------------------------------------------------- hearing

let tempo = 120;      // quarters a minute, as exact as a file has it; the slider shows it rounded
let ownTempo = null;  // that of the beginning: a tempo that was chosen stays until this is another

function setTempo(value) {
  tempo = value;
  $("tempo").value = $("tempo-now").textContent = Math.round(value);
  sound.setTempo(secondsPerStep());
}

function takeTempoOfBeginning() {
  const own = beginnings.ownSound?.tempo ?? state.run?.tempo ?? 120;
  if (own !== ownTempo) setTempo(own);
  ownTempo = own;
}

// The recipe as it now sounds.
function withTempo(recipe) {
  return { ...recipe, sound: { program: 0, name: "", ...recipe.sound, tempo } };
}

function secondsPerStep() { return 60 / tempo / (state.run?.steps_per_quarter ?? 4); }

function play(at) {
  if (!state.piece?.bars.length) return;
  const starts = barStarts(roll.bars);   // of what is shown, a candidate too
  const repeat = $("repeat").value;
  const isBar = repeat === "bar" && state.selected >= 0;
  const from = isBar ? starts[state.selected] : 0;
  const to = isBar ? starts[state.selected + 1] : starts.at(-1);
  const start = at ?? starts[Math.max(state.selected, 0)];
  sound.play({
    notes: joinBars(roll.bars), at: start, from, to,
    repeats: repeat !== "off", secondsPerStep: secondsPerStep(), onend: showStopped,
  }).then(showPlaying).catch(fail);
}

function showPlaying() {
  if (!sound.playing) return;
  $("play").classList.add("playing");
  $("play").setAttribute("aria-label", "Pause");
  const frame = () => {
    if (!sound.playing) return;
    if (!sound.isPreview) roll.follow(sound.position);
    requestAnimationFrame(frame);
  };
  sound.isPreview = false;
  requestAnimationFrame(frame);
}

function showStopped() {
  $("play").classList.remove("playing");
  $("play").setAttribute("aria-label", "Play");
  roll.playhead = null;
  paused = null;
  roll.paint();
}

let paused = null;

function togglePlay() {
  if (sound.playing && !sound.isPreview) {
    sound.stop();
    const here = sound.position;
    showStopped();
    paused = { here, selected: state.selected };
    roll.playhead = here;
    roll.paint();
  } else {
    const goesOn = paused && paused.selected === state.selected && paused.here < barStarts(state.piece?.bars ?? []).at(-1);
    play(goesOn ? paused.here : undefined);
    paused = null;
  }
}

function stop() {
  sound.stop();
  showStopped();
}

function hearNotes(notes, steps) {
  stop();
  sound.play({
    notes: notes.map(([start, duration, pitch, velocity]) => ({ start, duration, pitch, velocity }))
      .sort((a, b) => a.start - b.start),
    at: 0, from: 0, to: steps, repeats: false, secondsPerStep: secondsPerStep(),
  }).catch(fail);
  sound.isPreview = true;   // the playhead is of the piece, and stays away
}

function hearBar(bar) { hearNotes(bar.notes, bar.n_steps); }

// --------------------------------------------------------------------- keeping and taking away

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function takeAway(kind) {
  const recipe = withTempo(state.piece.recipe);
  const name = `nextbar-${Object.values(recipe.made)[0]?.seed ?? "piece"}`;
  if (kind === "recipe") {
    save(new Blob([JSON.stringify(recipe, null, 1)], { type: "application/json" }), `${name}.json`);
    return;
  }
  if (kind === "link") {
    await showLink(recipe);
    return;
  }
  const body = { piece: recipe };
  const blob = await busy(() => download(`/api/export/${kind}`, body));
  if (blob) save(blob, `${name}.${kind}`);
}

// Shows the link, ready to be copied by hand too: a page on a network may not write the clipboard.
async function showLink(recipe) {
  try {
    $("link").value = await linkTo(recipe);
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

async function openLink() {
  try {
    const recipe = await recipeInAddress();
    if (recipe && await openKept(recipe)) say("Opened the piece of the link");
  } catch (error) { fail(error); }
}

async function openFile(file) {
  try {
    if (file.size > limits.file_bytes) throw new Error(`${file.name}: this is no recipe, it is too large.`);
    const recipe = JSON.parse(await file.text());
    if (await openKept(recipe)) say(`Opened ${file.name}`);
  } catch (error) {
    fail(error instanceof SyntaxError ? new Error(`${file.name}: this is no recipe file.`) : error);
  }
}

function showTray() {
  const kept = state.tray;
  $("tray-hint").textContent = kept.length
    ? "Kept in this browser, also after a reload." : "What you keep stays in this browser, also after a reload.";
  $("tray").replaceChildren(...kept.map((entry, index) => {
    const line = document.createElement("li");
    const open = document.createElement("button");
    const picture = document.createElement("canvas");
    const label = document.createElement("span");
    label.textContent = entry.title;
    picture.setAttribute("aria-hidden", "true");
    open.append(picture, label);
    open.addEventListener("click", () => { stop(); openKept(entry.recipe); });
    const away = document.createElement("button");
    away.className = "quiet";
    away.textContent = "×";
    away.setAttribute("aria-label", `Discard ${entry.title}`);
    away.addEventListener("click", () => { state.discard(index); showTray(); });
    line.append(open, away);
    // What was kept before bars had a width of their own says one for all.
    const bars = entry.bars.map((bar) => ({ n_steps: entry.nSteps, ...bar }));
    queueMicrotask(() => drawSmall(picture, bars));
    return line;
  }));
}

function keep() {
  const { recipe, bars } = state.piece;
  const when = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const seed = Object.values(recipe.made)[0]?.seed ?? "";
  const kept = state.keep({
    title: `${bars.length} bars, seed ${seed}, ${when}`,
    recipe, bars: bars.map(({ notes, given, n_steps }) => ({ notes, given, n_steps })),
  });
  if (!kept) fail(new Error("This browser does not let the page keep anything; take the recipe away instead."));
  showTray();
}

// --------------------------------------------------------------------- beside real tunes

let measured = null;

async function measure() {
  const piece = state.piece;
  if (!piece?.bars.length || piece === measured || working) return;
  measured = piece;
  try {
    const answer = await post("/api/measures", { piece: piece.recipe });
    if (state.piece !== piece) return;
    $("measures").replaceChildren(...answer.measures.map(showMeasure));
    const isAlone = runOfPiece()?.tunes && answer.measures.every(({ low }) => low === null);
    $("measures-alone").hidden = !isAlone;
  } catch (error) { $("measures").textContent = error.message; }
}

const round = (value) => (Math.abs(value) >= 10 ? Math.round(value) : Math.round(value * 100) / 100);

function showMeasure({ label, unit, says, value, low, high }) {
  const line = document.createElement("div");
  line.className = "measure";
  line.title = says;
  const shown = document.createElement("b");
  shown.textContent = value === null ? "–" : `${round(value)}${unit === "%" ? " %" : ""}`;
  const name = document.createElement("span");
  name.textContent = label;
  line.append(name, shown);
  if (low === null || value === null) return line;
  const most = Math.max(high, value, 1e-9) * 1.12;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `real tunes ${round(low)} to ${round(high)}, this piece ${round(value)}`);
  const inside = value >= low && value <= high;
  const put = (tag, attributes) => {
    const part = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, each] of Object.entries(attributes)) part.setAttribute(key, each);
    svg.append(part);
  };
  put("rect", { x: "0%", y: 5, width: "100%", height: 2, fill: "#e2dfd9" });
  put("rect", { x: `${(100 * low) / most}%`, y: 2, width: `${Math.max((100 * (high - low)) / most, 1)}%`, height: 8, rx: 3, fill: "#bcd6de" });
  put("circle", { cx: `${Math.min(Math.max((100 * value) / most, 2), 98)}%`, cy: 6, r: 5, fill: inside ? "#1a6480" : "#b25e1d" });
  line.append(svg);
  return line;
}

// --------------------------------------------------------------------- runs

function chooseRun(run) {
  const changed = state.run && state.run !== run;
  state.setRun(run);
  $("run").value = run.fingerprint;
  for (const id of ["temperature", "follow"]) setNumber(id, { value: run[id] });
  listMetres(run);
  beginnings.takeMetre();
  takeTempoOfBeginning();
  document.querySelector('[name="begin"][value="tune"]').disabled = !run.tunes;
  if (!changed) return;
  beginnings.tunes = [];
  beginnings.tune = beginnings.upload = null;
  $("file-choices").hidden = $("tune-bars").hidden = true;
  beginnings.choose(beginnings.kind === "tune" ? "noise" : beginnings.kind);
}

async function loadRuns() {
  for (;;) {
    const answer = await get("/api/runs");
    if (!limits) {
      limits = answer.limits;
      beginnings.mostBars = limits.given_bars;
      for (const [id, control] of Object.entries(answer.controls)) setNumber(id, control);
    }
    if (answer.runs.length > runs.length || !answer.loading) {
      runs = answer.runs;
      $("run").replaceChildren(...runs.map((run) => new Option(run.name, run.fingerprint)));
      if (!state.run && runs.length) {
        chooseRun(runs[0]);
        await restore();
      } else if (state.run) {
        $("run").value = state.run.fingerprint;
      }
    }
    if (!answer.loading) {
      for (const { name, error } of answer.failed) fail(new Error(`${name}: ${error}`));
      say(runs.length ? "Ready" : "No run could be opened");
      await openLink();   // now that all runs are there; what was here comes back by undo
      addEventListener("hashchange", openLink);
      return;
    }
    await new Promise((next) => setTimeout(next, 250));
  }
}

// The piece that was here before a reload, if its run is open.
async function restore() {
  const recipe = state.lastRecipe;
  if (recipe && runs.some((run) => run.fingerprint === recipe.run)) await openKept(recipe);
}

// --------------------------------------------------------------------- wiring

const beginnings = new Beginnings({
  state, roll, sound, fail, metre: metreToDraw, onhear: hearNotes,
  onchange: () => { takeTempoOfBeginning(); showPiece(); refresh(); },
});
beginnings.onrecipe = openFile;
const panel = new BarPanel(state, {
  busy, fail, rollAgain, hearBar, openRecipe, showPiece, newSeed,
  get settings() { return { temperature: settings.temperature, follow: settings.follow }; },
  get isBusy() { return Boolean(working); },
  get isInOneMetre() { return roll.metreNames.every((name) => !name); },
});

$("compose").addEventListener("click", () => compose());
$("more").addEventListener("click", () => { stop(); writeMore(4, Number($("seed").value)); });
$("stop").addEventListener("click", () => working?.abort(STOPPED));
$("play").addEventListener("click", togglePlay);
$("from-start").addEventListener("click", () => { paused = null; if (sound.playing) play(0); else showStopped(); roll.box.scrollLeft = 0; });
$("repeat").addEventListener("change", () => { if (sound.playing) play(sound.position); });
$("undo").addEventListener("click", () => state.undo());
$("redo").addEventListener("click", () => state.redo());
$("keep").addEventListener("click", keep);
$("zoom-in").addEventListener("click", () => roll.zoom(1.3));
$("zoom-out").addEventListener("click", () => roll.zoom(1 / 1.3));
$("zoom-fit").addEventListener("click", () => roll.fit());
$("run").addEventListener("change", () => {
  chooseRun(runs.find((run) => run.fingerprint === $("run").value));
  if (["noise", "opened"].includes(beginnings.kind)) recompose();
});
$("open-recipe").addEventListener("change", () => { if ($("open-recipe").files[0]) openFile($("open-recipe").files[0]); });
$("tempo").addEventListener("input", () => setTempo(Number($("tempo").value)));
for (const id of ["bars", "temperature", "follow"]) {
  $(id).addEventListener("input", () => showNumber(id));
  $(id).addEventListener("change", recompose);
}
$("metre").addEventListener("change", () => beginnings.takeMetre());
$("seed").addEventListener("change", () => { $("new-seed").checked = false; recompose(); });
for (const button of document.querySelectorAll(".downloads button")) {
  button.addEventListener("click", () => takeAway(button.dataset.kind));
}
state.addEventListener("change", () => setTimeout(measure, 400));

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=radio]):not([type=checkbox]):not([type=range]), select, textarea");
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "z" && !typing) {
    event.preventDefault();
    if (event.shiftKey) state.redo(); else state.undo();
    return;
  }
  if (typing || command || event.altKey) return;
  const onControl = event.target.closest("button, [type=radio], [type=checkbox], [type=range], label");
  const move = (by) => {
    const bars = state.piece?.bars.length ?? 0;
    if (!bars || roll.drawing) return;
    event.preventDefault();
    const next = Math.min(Math.max(state.selected + by, 0), bars - 1);
    if (next !== state.selected) state.select(next);
    $("ruler").children[next]?.focus();
  };
  const onBar = event.target.closest(".ruler button, .roll") || event.target === document.body;
  const actions = {
    " ": () => { if (!onControl || event.target.closest(".ruler")) { event.preventDefault(); togglePlay(); } },
    Home: () => { if (!onControl) $("from-start").click(); },
    "+": () => roll.zoom(1.3),
    "-": () => roll.zoom(1 / 1.3),
    0: () => roll.fit(),
    ArrowRight: () => { if (onBar) move(1); },
    ArrowLeft: () => { if (onBar) move(-1); },
    l: () => $("lock").click(),
    r: () => $("roll-again").click(),
    a: () => $("alternatives").click(),
    b: () => $("blend").click(),
  };
  if (event.target.closest("[type=range]")) return;
  if ("lrab".includes(event.key) && !(state.selected >= 0 && state.piece)) return;
  actions[event.key]?.();
});

// A browser lets sound begin only when something was pressed; the first press of any kind will do,
// so that the device is awake when Play is pressed.
for (const kind of ["pointerdown", "keydown"]) {
  document.addEventListener(kind, () => sound.context.resume(), { once: true, capture: true });
}

// For scripts of one's own, and for tests.
globalThis.studio = { state, sound, roll, openRecipe };

showTray();
showPiece();
refresh();
loadRuns().catch(fail);
sound.load().catch((error) => { say(`No piano: ${error.message}`); });
