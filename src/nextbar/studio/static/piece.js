// What a piece is, and how it is changed by hand. A piece is {recipe, bars} and never changed in
// place: ``recipe`` is all that gives it again, ``bars`` what each bar sounds. Nothing here asks
// the server: a bar set by hand stands in the recipe as its notes, where a written one has a name.

export const LOWEST = 21, HIGHEST = 108;

// Where bars begin that follow each other from step 0, and where the last one ends.
export function barStarts(bars) {
  const starts = [0];
  for (const bar of bars) starts.push(starts.at(-1) + bar.n_steps);
  return starts;
}

// The bars' notes as the piece's: tied ones joined to those they go on from.
export function joinBars(bars) {
  const notes = [], starts = barStarts(bars);
  let open = new Map();  // pitch -> note that ends at the bar line
  bars.forEach((bar, number) => {
    const held = new Map();
    for (const row of bar.notes) {
      const [start, duration, pitch, velocity, tied] = row;
      const before = tied && start === 0 ? open.get(pitch) : undefined;
      const note = before ?? {
        start: starts[number] + start, duration: 0, pitch, velocity,
        given: Boolean(bar.given || bar.own), rows: [],
      };
      note.duration += duration;
      note.rows.push(row);
      if (!before) notes.push(note);
      if (start + duration === bar.n_steps) held.set(pitch, note);
    }
    open = held;
  });
  return notes.sort((a, b) => a.start - b.start || a.pitch - b.pitch);
}

// A note is known by where it begins: a key is struck once at a time.
export const keyOf = ({ start, pitch }) => `${start}:${pitch}`;

// A note's rows, one in each bar that it sounds in: [bar, row].
export function cutNote({ start, duration, pitch, velocity }, starts) {
  const rows = [], end = start + duration;
  for (let bar = 0; bar < starts.length - 1; bar++) {
    const from = Math.max(start, starts[bar]), to = Math.min(end, starts[bar + 1]);
    if (from < to) rows.push([bar, [from - starts[bar], to - from, pitch, velocity, from > start]]);
  }
  return rows;
}

// ---------------------------------------------------------------------- of what it is made

// A piece without bars.
export function blank(run, sound = null) {
  return {
    recipe: {
      kind: "nextbar recipe", format: 5, nextbar: "", run, given_bars: 0, given_metres: [],
      given_stands: true, given_notes: [], transposed: 0, made: {}, bars: [], locked: [], sound,
    },
    bars: [],
  };
}

export function nGiven({ recipe }) {
  return recipe.given_stands === false ? 0 : recipe.given_bars;
}

// Whether the model has written nothing yet: then what is given can be anything.
export const isDraft = ({ recipe }) => recipe.bars.length === 0;

// Bars in front that the model did not write and is not asked to: those that were given, also where
// they were changed by hand since.
export function leading(piece) {
  const given = nGiven(piece);
  if (given || piece.recipe.given_stands !== false) return given;
  const other = piece.bars.findIndex((bar) => !bar.own || !bar.notes.length);
  return Math.min(piece.recipe.given_bars, other < 0 ? piece.bars.length : other);
}

export function isLocked(piece, bar) {
  return piece.recipe.locked.includes(bar - nGiven(piece));
}

// What stands for a bar in a recipe: the name of a written one, the notes of another.
function entryOf(bar, made) {
  if (!bar.given && !bar.own && bar.name in made) return bar.name;
  return { notes: bar.notes, metre: bar.metre };
}

export const asOwn = ({ notes, metre, n_steps, beat }) => (
  { notes, metre, n_steps, beat, given: false, own: true }
);

// The piece with these bars: {bar, locked} each. Where the model has written, given bars that are
// no longer as they were stand back: what was written after them stays as it is.
function rebuilt(piece, items) {
  const { recipe } = piece;
  if (isDraft(piece) || !items.length) return draft(piece, items.map(({ bar }) => bar));
  const given = nGiven(piece);
  const asBefore = items.length >= given && items.slice(0, given).every(({ bar }, i) => bar === piece.bars[i]);
  const behind = asBefore ? items.slice(given) : items;
  const bars = behind.map(({ bar }) => (typeof entryOf(bar, recipe.made) === "string" ? bar : asOwn(bar)));
  return {
    recipe: {
      ...recipe,
      given_stands: asBefore && recipe.given_stands !== false,
      bars: bars.map((bar) => entryOf(bar, recipe.made)),
      locked: behind.flatMap(({ locked, bar }, i) => (locked || bar.given ? [i] : [])),
    },
    bars: [...(asBefore ? piece.bars.slice(0, given) : []), ...bars],
    isLocal: true,
  };
}

// The piece with these bars as the given ones, and nothing written.
function draft({ recipe }, bars) {
  const notes = joinBars(bars).map(({ start, duration, pitch, velocity }) => [start, duration, pitch, velocity]);
  return {
    recipe: {
      ...recipe, given_stands: true, given_bars: bars.length, given_notes: notes, made: {},
      given_metres: bars.map(({ metre }) => metre), bars: [], locked: [],
    },
    bars: bars.map((bar) => ({ ...bar, given: true, own: false })),
    isLocal: true,
  };
}

// A draft with its bars as the musician's own, so that the model can fill the empty ones among them.
export function opened(piece) {
  const bars = piece.bars.map(asOwn);
  const locked = bars.flatMap(({ notes }, i) => (notes.length ? [i] : []));
  const recipe = { ...piece.recipe, given_stands: false, bars: bars.map((bar) => entryOf(bar, {})), locked };
  return { recipe, bars, isLocal: true };
}

// The piece with its given bars as the musician's own: then the model may write in them, around what
// is kept.
export function withGivenOpen(piece) {
  if (isDraft(piece)) return opened(piece);
  return nGiven(piece) ? rebuilt(piece, itemsOf(piece).map(({ bar, locked }) => ({ bar: bar.given ? asOwn(bar) : bar, locked: locked || bar.given }))) : piece;
}

const itemsOf = (piece) => piece.bars.map((bar, i) => ({ bar, locked: isLocked(piece, i) }));

// All of the piece as notes that another model can go on from: nothing of it is that model's.
export function forRun(piece, run) {
  if (piece.recipe.run === run) return piece;
  if (isDraft(piece)) return { ...piece, recipe: { ...piece.recipe, run, transposed: null } };
  const given = nGiven(piece);
  const bars = piece.bars.map((bar, i) => (i < given ? bar : asOwn(bar)));
  const recipe = { ...piece.recipe, run, transposed: null, made: {}, bars: bars.slice(given).map((bar) => entryOf(bar, {})) };
  return { recipe, bars, isLocal: true };
}

// ---------------------------------------------------------------------- notes changed by hand

// The piece without some notes (of joinBars) and with others, {start, duration, pitch, velocity}.
// A note ends others of its pitch where it begins, as a key can only be struck again. The bars that
// are touched are the musician's, and locked; one left empty is open to the model.
export function withNotes(piece, { remove = [], add = [] }) {
  const starts = barStarts(piece.bars), end = starts.at(-1);
  const there = joinBars(piece.bars);
  const gone = new Set(remove.map(keyOf));
  const added = add.filter(({ start }) => start < end)
    .map((note) => ({ ...note, duration: Math.min(note.duration, end - note.start) }));
  for (const note of added) {
    for (const other of there) {
      if (other.pitch !== note.pitch || gone.has(keyOf(other))) continue;
      const stops = other.start + other.duration;
      if (stops <= note.start || other.start >= note.start + note.duration) continue;
      gone.add(keyOf(other));
      if (other.start < note.start) added.push({ ...other, duration: note.start - other.start });
    }
  }
  const alone = endEachAtNext(added);
  const away = new Set(there.filter((note) => gone.has(keyOf(note))).flatMap(({ rows }) => rows));
  const rows = new Map();   // bar -> its new rows
  piece.bars.forEach(({ notes }, bar) => {
    if (notes.some((row) => away.has(row))) rows.set(bar, notes.filter((row) => !away.has(row)));
  });
  for (const note of alone) {
    for (const [bar, row] of cutNote(note, starts)) {
      rows.set(bar, [...(rows.get(bar) ?? piece.bars[bar].notes), row]);
    }
  }
  return withRows(piece, rows);
}

// Of notes of one pitch each ends where the next begins; of two that begin together one stays.
export function endEachAtNext(notes) {
  const sorted = [...notes].sort((a, b) => a.pitch - b.pitch || a.start - b.start);
  return sorted.flatMap((note, i) => {
    const next = sorted[i + 1];
    if (next?.pitch !== note.pitch) return [note];
    const duration = Math.min(note.duration, next.start - note.start);
    return duration > 0 ? [{ ...note, duration }] : [];
  });
}

function withRows(piece, rows) {
  const items = itemsOf(piece).map((item, number) => {
    if (!rows.has(number)) return item;
    const notes = rows.get(number).sort((a, b) => a[0] - b[0] || a[2] - b[2]);
    const bar = item.bar.given ? { ...item.bar, notes } : { ...asOwn(item.bar), notes };
    return { bar, locked: notes.length > 0 };
  });
  return rows.size ? rebuilt(piece, items) : piece;
}

// ---------------------------------------------------------------------- phrases

// Each takes the first and the last of the bars that are meant, from 0.

export function withoutBars(piece, first, last) {
  return rebuilt(piece, itemsOf(piece).filter((_, i) => i < first || i > last));
}

export function onlyBars(piece, first, last) {
  return rebuilt(piece, itemsOf(piece).slice(first, last + 1));
}

// Bars, as they sound, put in at a place.
export function withBarsAt(piece, at, bars) {
  const items = itemsOf(piece);
  const isMine = (bar) => bar.given || (bar.own && bar.notes.length > 0);
  items.splice(at, 0, ...bars.map((bar) => ({ bar, locked: isMine(bar) })));
  return rebuilt(piece, items);
}

// The bars moved so that their first one is bar ``to``.
export function withBarsMoved(piece, first, last, to) {
  const items = itemsOf(piece);
  const moved = items.splice(first, last - first + 1);
  items.splice(to, 0, ...moved);
  return rebuilt(piece, items);
}

// A bar without notes, for the model to fill or somebody to draw in. width: {metre, n_steps, beat}.
export const emptyBar = ({ metre, n_steps, beat }) => ({ metre, n_steps, beat, notes: [], given: false, own: true });

export function withLock(piece, first, last, isToLock) {
  const given = nGiven(piece);
  const others = piece.recipe.locked.filter((i) => i + given < first || i + given > last);
  const those = [];
  for (let i = Math.max(first, given); isToLock && i <= last; i++) those.push(i - given);
  const locked = [...others, ...those].sort((a, b) => a - b);
  return { ...piece, recipe: { ...piece.recipe, locked } };
}

// The piece with another bar, as the server gives it with its recipe, in the place of one.
export function withBar(piece, bar, made) {
  const recipe = { ...piece.recipe, made: { ...piece.recipe.made, [made.name]: made.recipe } };
  const items = itemsOf(piece).map((item, i) => (i === bar ? { bar: made, locked: false } : item));
  return rebuilt({ ...piece, recipe }, items);
}
