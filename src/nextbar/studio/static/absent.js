// What cannot be done on this page, as it was served: it cannot be pressed, and a sentence says why.

import { element } from "./page.js";

// absent: {these, says, beside} each: what is not there, by a selector, and behind what the sentence stands.
// With a ``text`` it is there, and is called so; what one ``hides`` would say nothing here.
export function showAbsent(absent) {
  for (const { these, text, says, beside, hides } of absent) {
    for (const each of these ? document.querySelectorAll(these) : []) {
      if (text) each.textContent = text;
      else Object.assign(each, { disabled: true, title: says });
    }
    document.querySelector(beside).after(element("p", { class: "hint absent", text: says }));
    for (const each of hides ? document.querySelectorAll(hides) : []) each.classList.add("gone");
  }
}
