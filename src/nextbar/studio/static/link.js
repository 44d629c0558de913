// A piece as a link: its recipe, compressed, behind the # of the studio's address. What stands
// there a browser keeps to itself; it is sent to no server.

const KEY = "#piece=";
const LONGEST = 100_000;       // characters; browsers and mail programs take no endless address
const LARGEST_RECIPE = 4e6;    // as much as the studio takes

// All of a stream's bytes. Throws where there are more than most.
async function gather(stream, most) {
  const reader = stream.getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    size += value.length;
    if (size > most) throw new RangeError("too much");
    parts.push(value);
  }
}

function toText(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function toBytes(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}

// The address that gives this piece again, without the token that this one may have carried.
export async function linkTo(recipe) {
  const stream = new Blob([JSON.stringify(recipe)]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = await gather(stream, LARGEST_RECIPE);
  const link = `${location.origin}${location.pathname}${KEY}${toText(new Uint8Array(await packed.arrayBuffer()))}`;
  if (link.length > LONGEST) throw new Error("This piece is too long for a link; take its recipe away instead.");
  return link;
}

// The recipe in the page's address, which then is plain again; null where there is none.
export async function recipeInAddress() {
  if (!location.hash.startsWith(KEY)) return null;
  const packed = location.hash.slice(KEY.length);
  history.replaceState(null, "", location.pathname + location.search);
  try {
    const stream = new Blob([toBytes(packed)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await (await gather(stream, LARGEST_RECIPE)).text());
  } catch {
    throw new Error("This link is damaged or cut off: it holds no piece.");
  }
}
