// The studio's page: its parts, and what passes between them.
//
// state.js holds the piece, its settings and its undo; piece.js changes a piece by hand; writing.js asks
// the model; live.js is for playing along. transport.js plays it with sound.js, roll.js paints it, edit.js has its notes under mouse,
// finger and keys. begin.js, settings.js, bars.js, keep.js and measures.js are the panels around it.

import { showAbsent } from "./absent.js";
import { get, post } from "./api.js";
import { Adapting } from "./adapt.js";
import { BarPanel } from "./bars.js";
import { Beginnings } from "./begin.js";
import { Editing } from "./edit.js";
import { Keeping } from "./keep.js";
import { watchKeys } from "./keys.js";
import { Live } from "./live.js";
import { Measures } from "./measures.js";
import { $, enable, fail, forgive, onPress, say } from "./page.js";
import { blank } from "./piece.js";
import { Roll } from "./roll.js";
import { Settings } from "./settings.js";
import { Sound } from "./sound.js";
import { State } from "./state.js";
import { watchTheme } from "./theme.js";
import { Transport } from "./transport.js";
import { Writing } from "./writing.js";

const state = new State();
const sound = new Sound();
const roll = new Roll({ box: $("roll"), space: $("space"), ruler: $("ruler"), canvas: $("canvas") });
watchTheme(() => roll.paint());

// --------------------------------------------------------------------- showing

// The piece on the roll; with another bar in the place of one, where it is looked at.
function showPiece(at = -1, candidate = null) {
  const bars = [...(state.piece?.bars ?? [])];
  if (candidate) bars[at] = candidate;
  roll.range = [state.selected, state.last];
  roll.chosen = state.notes;
  roll.locked = (bar) => state.isLocked(bar);
  const metres = state.runOfPiece?.metres ?? [];
  roll.show(bars, metres.length === 1 ? metres[0].metre : null);
  $("empty").hidden = bars.length > 0 || !state.run;
}

function refresh() {
  const isReady = Boolean(state.run), { isBusy } = studio;
  enable($("compose"), isReady && !isBusy);
  enable($("more"), isReady && !isBusy && Boolean(state.piece?.bars.length));
  const hadStop = document.activeElement === $("stop");
  $("stop").hidden = !writing.isBusy;
  if (hadStop && !writing.isBusy) $("compose").focus();
  enable($("live-start"), isReady && !writing.isBusy);
  enable($("undo"), state.canUndo);
  enable($("redo"), state.canRedo);
  sound.isGrowing = writing.isBusy;
  panel.show();
  placeTools();
  const active = document.activeElement;
  if (active && active !== document.body && !active.checkVisibility()) $("roll").focus({ preventScroll: true });
}

// The tools of the selected bars stand above them.
function placeTools() {
  const strip = $("tools");
  strip.style.setProperty("--at", "0px");
  if (state.selected < 0 || $("bar-tools").hidden) return;
  const x = roll.xOf(roll.starts[state.selected]);
  const room = strip.clientWidth - $("bar-tools").offsetWidth - $("tool-choice").offsetWidth - 24;
  strip.style.setProperty("--at", `${Math.min(Math.max(x - $("tool-choice").offsetWidth - 12, 0), Math.max(room, 0))}px`);
}
roll.onlayout = placeTools;

state.addEventListener("change", () => showPiece());
roll.onselect = (bar) => state.select(bar);
roll.onrange = (first, last) => state.selectBars(first, last);

// --------------------------------------------------------------------- the parts

const settings = new Settings({ state });
const writing = new Writing({ state, settings });
const transport = new Transport({ state, roll, sound, isTaken: () => studio.live.isOn });
const studio = {
  state, sound, roll, settings, writing, transport, showPiece,
  fit: () => roll.fit(),
  most: 512,
  undo() { if (!live.isOn) { writing.giveUp(); state.undo(); } },
  redo() { if (!live.isOn) { writing.giveUp(); state.redo(); } },
  openRecipeFile: (file) => keeping.openFile(file),
  closePanel,
  get isBusy() { return writing.isBusy || live.isOn; },
  get widthToDraw() { return settings.widthToDraw; },
  get isInOneMetre() { return roll.metreNames.every((name) => !name); },
};
const editing = studio.editing = new Editing({ state, roll, sound, studio });
const panel = studio.panel = new BarPanel(state, studio);
const beginnings = studio.beginnings = new Beginnings({ state, studio });
const keeping = studio.keeping = new Keeping({ state, studio });
const adapting = studio.adapting = new Adapting({ state, settings });
const live = studio.live = new Live(studio);
new Measures({ state, isBusy: () => studio.isBusy });
watchKeys(studio);
state.addEventListener("change", refresh);
for (const part of [writing, live]) part.addEventListener("busy", () => { refresh(); editing.show(); });

// For scripts of one's own, and for tests.
globalThis.studio = studio;

// --------------------------------------------------------------------- what was changed by hand

// The server has the last word on what a piece changed by hand sounds, as a note that is held over a
// bar line: what is shown is what is taken away. It is asked a moment later; nobody waits for it.
let asking = 0;
state.addEventListener("change", () => {
  clearTimeout(asking);
  const { piece, version } = state;
  if (!piece?.isLocal || state.isPreview) return;
  if (!piece.bars.length) return;
  asking = setTimeout(async () => {
    try {
      const shown = await post("/api/open", { piece: piece.recipe });
      if (state.piece !== piece) return;
      const known = shown.bars.map((bar, i) => ({ ...bar, known: piece.bars[i]?.known }));
      state.amend({ recipe: { ...shown.recipe, transposed: piece.recipe.transposed }, bars: known });
    } catch (error) {
      if (state.version !== version || !error.status) return;
      state.undo();
      fail(new Error(`That cannot be: ${error.message}`));
    }
  }, 250);
});

// --------------------------------------------------------------------- wiring

onPress("compose", async () => {
  await beginnings.reading;
  writing.compose();
});
onPress("more", () => writing.goOn(4));
onPress("stop", () => writing.stop());
onPress("undo", () => studio.undo());
onPress("redo", () => studio.redo());
onPress("zoom-in", () => roll.zoom(1.3));
onPress("zoom-out", () => roll.zoom(1 / 1.3));
onPress("zoom-taller", () => roll.zoomPitch(1.25));
onPress("zoom-flatter", () => roll.zoomPitch(1 / 1.25));
onPress("zoom-fit", () => roll.fit());
onPress("toast-close", forgive);
onPress("help-open", () => $("help").showModal());
$("help").addEventListener("click", (event) => { if (event.target === $("help")) $("help").close(); });

// The panels beside the roll: on a wide screen they stand there, on a narrow one over it.
const PANELS = ["making", "keeping"];
const isNarrow = matchMedia("(max-width: 900px)");

function openPanel(name, isOpen) {
  if (isOpen && isNarrow.matches) for (const each of PANELS) if (each !== name) openPanel(each, false);
  document.body.classList.toggle(`with-${name}`, isOpen);
  $(`${name}-open`).setAttribute("aria-expanded", String(isOpen));
  $(name).hidden = !isOpen;
}

// Closes a panel that lies over the roll; gives whether there was one.
function closePanel() {
  const open = PANELS.find((name) => !$(name).hidden);
  if (!open || !isNarrow.matches) return false;
  openPanel(open, false);
  $(`${open}-open`).focus();
  return true;
}

for (const name of PANELS) {
  onPress(`${name}-open`, () => {
    openPanel(name, $(name).hidden);
    if (!$(name).hidden && isNarrow.matches) $(`${name}-close`).focus();
  });
  onPress(`${name}-close`, () => { openPanel(name, false); $(`${name}-open`).focus(); });
}
const standPanels = () => { openPanel("making", !isNarrow.matches); openPanel("keeping", false); };
isNarrow.addEventListener("change", standPanels);
standPanels();
if (matchMedia("(pointer: coarse)").matches) editing.choose("look");

// A browser lets sound begin only when something was pressed; the first press of any kind will do,
// so that the device is awake when Play is pressed.
for (const kind of ["pointerdown", "keydown"]) {
  document.addEventListener(kind, () => sound.context.resume(), { once: true, capture: true });
}

// --------------------------------------------------------------------- what it begins with

// The piece that was here before, or one to play at once.
async function begin(isLast) {
  const before = State.before;
  const [first] = state.runs;
  if (before && !state.runs.some((run) => run.fingerprint === before.recipe.run)) {
    if (!isLast) return false;
    say("The last piece here was made with a run that is not open now.");
  } else if (before) {
    const run = state.runs.find((each) => each.fingerprint === before.recipe.run);
    try {
      const piece = before.recipe.bars.length || before.recipe.given_bars
        ? await post("/api/open", { piece: before.recipe }) : blank(run.fingerprint, before.recipe.sound);
      state.begin(piece, { ...settings.of(run), ...before.settings });
      return true;
    } catch (error) { fail(error); }
  }
  state.begin(blank(first.fingerprint), settings.of(first));
  if (!location.hash) {
    state.set("newSeed", false);
    await writing.compose();
    state.forget({ newSeed: true });
  }
  return true;
}

async function load() {
  let hasBegun = false;
  for (;;) {
    const answer = await get("/api/runs");
    if (!settings.controls) {
      settings.bound(answer.controls);
      showAbsent(answer.absent ?? []);
      if (!answer.absent) adapting.watch();   // else nobody is there to learn
      beginnings.mostBars = answer.limits.given_bars;
      keeping.mostBytes = answer.limits.file_bytes;
    }
    state.setRuns(answer.runs);
    if (!hasBegun && state.runs.length) hasBegun = await begin(!answer.loading);
    if (!answer.loading) {
      for (const { name, error } of answer.failed) fail(new Error(`${name}: ${error}`));
      if (!hasBegun) { say("No run could be opened"); return; }
      if ($("status").textContent.startsWith("Loading")) say("");
      await keeping.openLink();   // now that all runs are there; what was here comes back by undo
      addEventListener("hashchange", () => keeping.openLink());
      return;
    }
    await new Promise((next) => setTimeout(next, 250));
  }
}

showPiece();
refresh();
load().catch(fail);
