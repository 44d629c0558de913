// The model at work, beside the page: loaded once, asked by messages {number, path, body}. One piece of
// work at a time; what is streamed can be given up between two bars.

import { Kind } from "./bars.js";
import { Desk } from "./desk.js";
import { digest } from "./digest.js";
import { midiBytes } from "./midi.js";
import { Model } from "./model.js";
import { readUpload } from "./reading.js";
import { Refused } from "./refused.js";
import { toneBytes } from "./tone.js";
import { Workbench } from "./workbench.js";

const HERE = new URL("../model/", import.meta.url);
const STREAMED = { "/api/compose": "compose", "/api/recompose": "recompose", "/api/roll": "roll", "/api/fill": "fill" };

async function fetched(name) {
  const answer = await fetch(new URL(name, HERE));
  if (!answer.ok) throw new Error(`${name} of the model cannot be loaded (${answer.status}); is the folder whole?`);
  return answer;
}

// The browser's own digest is quicker, where it gives one.
async function fingerprintOf(bytes) {
  if (!globalThis.crypto?.subtle) return digest(bytes);
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...found].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function load() {
  const [page, run, bytes] = await Promise.all([
    fetched("page.json").then((answer) => answer.json()), fetched("run.json").then((answer) => answer.json()),
    fetched("checkpoint.safetensors").then((answer) => answer.arrayBuffer()),
  ]);
  const fingerprint = await fingerprintOf(bytes);
  const [described] = page.runs;
  if (fingerprint !== described.fingerprint) throw new Error("The model's weights are not those that this page was made with; load it anew.");
  globalThis.nextbarVersion = page.nextbar;
  const bench = new Workbench({ model: new Model(bytes, run), kind: new Kind(run.origin.corpus), fingerprint });
  return { page, desk: new Desk(bench, described) };
}

const loading = load();
loading.catch(() => { /* said to whoever asks */ });

const givenUp = new Set();

// Lets messages in that have come meanwhile.
const breathe = () => new Promise((go) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => { port1.close(); go(); };
  port2.postMessage(null);
});

async function answer({ number, path, body }) {
  const url = new URL(path, "http://page"), { pathname } = url;
  const sounds = /^\/api\/instruments\/(\d+)\.wav$/.exec(pathname);
  if (sounds) return toneBytes(Number(sounds[1]));
  const { page, desk } = await loading;
  if (pathname in STREAMED) {
    for (const event of desk.follow(STREAMED[pathname], body)) {
      postMessage({ number, event });
      await breathe();
      await doAside();
      if (givenUp.delete(number)) return null;
    }
    return null;
  }
  switch (pathname) {
    case "/api/runs": return page;
    case "/api/begin": return desk.begin(body);
    case "/api/open": return desk.open(body);
    case "/api/answer": return desk.answer(body);
    case "/api/alternatives": return desk.alternatives(body);
    case "/api/blend": return desk.blend(body);
    case "/api/export/mid": return midiBytes(desk.composition(body));
    case "/api/upload": return readUpload(await body.arrayBuffer(), Object.fromEntries(url.searchParams), desk.kind);
    case "/api/measures": return { measures: [] };
    default: throw new Refused("this page has no server to do that; it can be done in nextbar studio");
  }
}

// What is asked for at once: instruments, and the answers to who plays along. It is done between two bars,
// so that nobody waits for a long piece.
const aside = [];
const isAtOnce = (path) => path === "/api/answer" || path.startsWith("/api/instruments/");

async function doAside() {
  while (aside.length) await doNow(aside.shift());
}

let turn = Promise.resolve();
onmessage = ({ data }) => {
  if (data.isGivenUp) {
    givenUp.add(data.number);
    return;
  }
  if (isAtOnce(data.path)) {
    aside.push(data);
    turn = turn.then(doAside);
  } else turn = turn.then(() => doNow(data));
};

async function doNow(data) {
  if (givenUp.delete(data.number)) return;
  try {
    postMessage({ number: data.number, answer: await answer(data) });
  } catch (error) {
    const isFault = error instanceof TypeError || error instanceof ReferenceError;
    const sentence = isFault ? `The page has met a fault of its own: ${error.message}` : error.message;
    postMessage({ number: data.number, error: { sentence, status: error.status } });
  }
}
