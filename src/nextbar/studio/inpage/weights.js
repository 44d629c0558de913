// A model's weights: the arrays of a safetensors file, in single precision.

// Half precision to single: the 65,536 numbers that there are, worked out once.
function halves() {
  const all = new Float32Array(65_536);
  for (let exponent = 0; exponent < 32; exponent++) {
    const scale = exponent ? 2 ** (exponent - 25) : 2 ** -24;
    for (let part = 0; part < 1024; part++) {
      const value = exponent === 31 ? (part ? NaN : Infinity) : scale * (exponent ? 1024 + part : part);
      all[(exponent << 10) | part] = value;
      all[32_768 | (exponent << 10) | part] = -value;
    }
  }
  return all;
}

function widened(bytes, table) {
  const halved = new Uint16Array(bytes), values = new Float32Array(halved.length);
  for (let i = 0; i < halved.length; i++) values[i] = table[halved[i]];
  return values;
}

// {name: {shape, values}} of the arrays whose names begin with a prefix, without it, but for those
// that ``isLeftOut``. Throws a sentence where the bytes are no such file.
export function readWeights(buffer, prefix, isLeftOut = () => false) {
  const view = new DataView(buffer);
  const size = Number(view.getBigUint64(0, true));
  if (!(size <= buffer.byteLength - 8)) throw new Error("The model's weights are cut off; load the page anew.");
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const table = halves(), found = {};
  for (const [name, entry] of Object.entries(header)) {
    if (!name.startsWith(prefix) || isLeftOut(name.slice(prefix.length))) continue;
    const { dtype, shape, data_offsets: [begin, end] } = entry;
    const bytes = buffer.slice(8 + size + begin, 8 + size + end);
    let values;
    if (dtype === "F16") values = widened(bytes, table);
    else if (dtype === "F32") values = new Float32Array(bytes);
    else if (dtype === "I64") values = Float32Array.from(new BigInt64Array(bytes), Number);
    else throw new Error(`The model's weights are of a kind that this page cannot read: ${dtype}.`);
    found[name.slice(prefix.length)] = { shape, values };
  }
  return found;
}
