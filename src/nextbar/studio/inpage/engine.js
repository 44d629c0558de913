// The model in this page: what static/server.js gives, without a server. A worker does the work, so that
// the page can be used meanwhile; what is asked for and what is answered are the same.

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const waiting = new Map();
let asked = 0;

worker.onmessage = ({ data: { number, event, answer, error } }) => {
  const who = waiting.get(number);
  if (!who) return;
  if (event) who.onEvent?.(event);
  else if (error) who.fail(Object.assign(new Error(error.sentence), { status: error.status }));
  else who.done(answer);
};
worker.onerror = (event) => {
  event.preventDefault();
  const error = new Error("This browser cannot run the model: it is too old, or the page is not whole. Load it anew.");
  for (const { fail } of waiting.values()) fail(error);
};

function ask(path, body, { signal, onEvent } = {}) {
  signal?.throwIfAborted();
  const number = ++asked;
  const giveUp = () => {
    worker.postMessage({ number, isGivenUp: true });
    waiting.get(number)?.fail(signal.reason);
  };
  signal?.addEventListener("abort", giveUp, { once: true });
  return new Promise((done, fail) => {
    waiting.set(number, { done, fail, onEvent });
    worker.postMessage({ number, path, body });
  }).finally(() => {
    waiting.delete(number);
    signal?.removeEventListener("abort", giveUp);
  });
}

export const get = (path) => ask(path);
export const post = (path, body, signal) => ask(path, body, { signal });
export const stream = (path, body, signal, onEvent) => ask(path, body, { signal, onEvent });
export const download = async (path, body) => new Blob([await ask(path, body)]);
export const instrument = (program) => ask(`/api/instruments/${program}.wav`);

if ("serviceWorker" in navigator) {
  // Beside the page, so that it can be opened without a network.
  navigator.serviceWorker.register(new URL("../offline.js", import.meta.url)).catch(() => { /* it works online */ });
}
