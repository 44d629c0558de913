// Who composes: the studio's server, or this page by itself, as it was served. Both give the same.

const { content } = document.querySelector('meta[name="nextbar-engine"]');
const engine = content === "page" ? await import("../inpage/engine.js") : await import("./server.js");

export const { get, post, download, stream, instrument } = engine;

// ---------------------------------------------------------------------- playing along

// The next bar of a piece, at once: {bar, made, transposed}. It waits for nobody's turn.
export const nextBar = (body, signal) => post("/api/answer", body, signal);
