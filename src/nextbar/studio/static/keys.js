// The keys of the page. What they do is listed in the help, on the page itself.

import { $, isEnabled } from "./page.js";

const TYPED = "input:not([type=radio]):not([type=checkbox]):not([type=range]), select, textarea";
const NOTE_KEYS = ["Delete", "Backspace", "[", "]"];   // of selected notes, wherever the focus is

// studio: state, writing, transport, editing, panel, roll, undo(), redo(), closeAll().
export function watchKeys(studio) {
  const { state, editing, panel, roll, transport } = studio;
  const press = (id) => { if (isEnabled($(id))) $(id).click(); };

  // Chooses the bar before or behind, or with more the bars up to there.
  function moveBar(by, isMore) {
    const n = state.piece?.bars.length ?? 0;
    if (!n) return;
    if (isMore && state.selected >= 0) {
      const last = Math.min(Math.max(state.last + by, state.selected), n - 1);
      state.selectBars(state.selected, last);
    } else {
      const next = Math.min(Math.max(state.selected + by, 0), n - 1);
      state.selectBars(next, next);
    }
    $("ruler").children[state.last]?.focus();
  }

  const withCommand = {
    z: (event) => { if (event.shiftKey) studio.redo(); else studio.undo(); },
    y: () => studio.redo(),
    a: () => editing.selectAll(),
    c: () => { if (!editing.copy() && state.selected >= 0) panel.copy(); },
    x: () => {
      if (editing.copy()) editing.remove();
      else if (state.selected >= 0 && !studio.isBusy) { panel.copy(); panel.remove(); }
    },
    v: () => { if (state.selected < 0 && editing.clipboard && (state.notes.size || !panel.clipboard)) editing.paste(); else if (!studio.isBusy) panel.paste(); },
    d: () => press("bars-repeat"),
  };

  function onEscape() {
    if (editing.gesture) editing.cancel();
    else if (panel.cancel()) return;
    else if (!$("toast").hidden) $("toast").hidden = true;
    else if (studio.closePanel()) return;
    else if (state.notes.size || state.selected >= 0) state.selectBars(-1, -1);
  }

  document.addEventListener("keydown", (event) => {
    if ($("help").open) return;
    if (event.key === "Escape") { onEscape(); return; }
    const isTyped = event.target.closest(TYPED);
    const isCommand = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (isTyped || event.target.closest("[type=range]")) return;
    if (isCommand) {
      if (!(key in withCommand)) return;
      if (key === "c" && getSelection().toString()) return;
      event.preventDefault();
      withCommand[key](event);
      return;
    }
    const onRoll = event.target.closest(".ruler button, .roll") || event.target === document.body;
    const isOfNotes = onRoll || NOTE_KEYS.includes(key);
    if (isOfNotes && !event.altKey && editing.press(event)) { event.preventDefault(); return; }
    if (event.altKey) {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
      if (by && onRoll && state.selected >= 0) { event.preventDefault(); press(by < 0 ? "bars-earlier" : "bars-later"); }
      return;
    }
    const onControl = event.target.closest("button, [type=radio], [type=checkbox], label, summary");
    const onRuler = event.target.closest(".ruler");
    const actions = {
      " ": () => {
        if (onControl && !onRuler) return;
        event.preventDefault();
        if (studio.live.isOn) studio.live.stop(); else transport.toggle();
      },
      Home: () => { if (!onControl) $("from-start").click(); },
      "+": () => roll.zoom(1.3), "=": () => roll.zoom(1.3), "-": () => roll.zoom(1 / 1.3), 0: () => roll.fit(),
      ArrowRight: () => { if (onRoll) { event.preventDefault(); moveBar(1, event.shiftKey); } },
      ArrowLeft: () => { if (onRoll) { event.preventDefault(); moveBar(-1, event.shiftKey); } },
      s: () => editing.choose("select"), d: () => editing.choose("draw"),
      n: () => editing.step(event.shiftKey ? -1 : 1),
      "?": () => $("help").showModal(),
    };
    const onBars = {
      l: "lock", r: "roll-again", a: "alternatives", b: "blend", v: "vary", h: "hand", i: "bars-insert", Delete: "bars-delete", Backspace: "bars-delete",
    };
    if (key in actions) actions[key]();
    else if (key in onBars && state.selected >= 0 && state.piece) {
      const id = onBars[key];
      if (isEnabled($(id)) && !$("bar-tools").hidden) $(id).click();
    }
  });
}
