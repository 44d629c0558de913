// Light, dark or as the system is; and the roll's colours, which stand with all others in style.css.

import { $ } from "./page.js";
import { recall, remember } from "./storage.js";

const THEME = "nextbar-studio-theme";
const NAMES = { auto: "as the system", light: "light", dark: "dark" };
const NEXT = { auto: "light", light: "dark", dark: "auto" };

// By the names of their custom properties; "mine" and "written" as [red, green, blue].
export const colours = {};

function read() {
  const probe = document.createElement("i");
  document.body.append(probe);
  const of = (name) => {
    probe.style.color = `var(--roll-${name})`;
    return getComputedStyle(probe).color;
  };
  const names = {
    ground: "ground", groundMine: "ground-mine", outside: "outside", selected: "selected", blackRow: "black-row",
    bar: "bar", beat: "beat", step: "step", ink: "ink", quiet: "quiet", accent: "accent", playhead: "playhead",
    whiteKey: "white-key", blackKey: "black-key", keyName: "key-name", keyGap: "key-gap", lit: "lit",
  };
  for (const [key, name] of Object.entries(names)) colours[key] = of(name);
  for (const name of ["mine", "written", "faint"]) colours[name] = of(name).match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  shades.clear();
}

// Louder notes stand out more. Each shade is made once: a piece has thousands of notes.
const shades = new Map();
export function shade(whose, velocity) {
  const key = `${whose} ${velocity}`;
  if (!shades.has(key)) {
    const strength = 0.42 + 0.58 * (velocity / 127);
    const mixed = colours[whose].map((c, i) => Math.round(colours.faint[i] + strength * (c - colours.faint[i])));
    shades.set(key, `rgb(${mixed.join()})`);
  }
  return shades.get(key);
}

// Calls back when the colours are others.
export function watchTheme(onchange) {
  let chosen = recall(THEME) ?? "auto";
  if (!(chosen in NAMES)) chosen = "auto";
  const show = () => {
    document.documentElement.dataset.theme = chosen;
    $("theme").setAttribute("aria-label", `Colours: ${NAMES[chosen]}`);
    $("theme").title = `Colours: ${NAMES[chosen]}`;
    read();
    onchange();
  };
  $("theme").addEventListener("click", () => {
    chosen = NEXT[chosen];
    remember(THEME, chosen);
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}
