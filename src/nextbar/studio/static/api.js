// Who composes: the studio's server, or this page by itself, as it was served. Both give the same.

const { content } = document.querySelector('meta[name="nextbar-engine"]');
const engine = content === "page" ? await import("../inpage/engine.js") : await import("./server.js");

export const { get, post, download, stream, instrument } = engine;

// ---------------------------------------------------------------------- playing along

// The next bar of a piece, at once: {bar, made, transposed}. It waits for nobody's turn.
export const nextBar = (body, signal) => post("/api/answer", body, signal);

// ---------------------------------------------------------------------- models of one's own

export const listRuns = () => get("/api/runs");
export const listModels = () => get("/api/adaptations");
export const beginModel = (asked) => post("/api/adaptations", asked);
export const addToModel = (id, file) => (
  post(`/api/adaptations/${id}/files?${new URLSearchParams({ name: file.name.slice(-200) })}`, file)
);
export const startModel = (id) => post(`/api/adaptations/${id}/start`, {});
export const stopModel = (id) => post(`/api/adaptations/${id}/stop`, {});
