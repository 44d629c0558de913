// The studio's JSON API. Errors become Error objects with the server's sentence.

async function refused(answer) {
  let sentence = `the studio answered ${answer.status}`;
  try {
    sentence = (await answer.json()).error ?? sentence;
  } catch { /* no JSON: the status has to do */ }
  return Object.assign(new Error(sentence), { status: answer.status });
}

export async function get(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw await refused(answer);
  return answer.json();
}

async function send(path, body, signal) {
  const isBytes = body instanceof Blob;
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": isBytes ? "application/octet-stream" : "application/json" },
    body: isBytes ? body : JSON.stringify(body),
    signal,
  });
  if (!answer.ok) throw await refused(answer);
  return answer;
}

export async function post(path, body, signal) {
  return (await send(path, body, signal)).json();
}

export async function download(path, body) {
  return (await send(path, body)).blob();
}

// The bytes of an instrument's samples.
export async function instrument(program) {
  const answer = await fetch(`/api/instruments/${program}.wav`);
  if (!answer.ok) throw await refused(answer);
  return answer.arrayBuffer();
}

// Calls onEvent with each server-sent event as it arrives; throws what an "error" event says.
export async function stream(path, body, signal, onEvent) {
  const answer = await send(path, body, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      signal.throwIfAborted();
      const event = JSON.parse(part.slice("data: ".length));
      if (event.event === "error") throw new Error(event.error);
      onEvent(event);
    }
  }
}
