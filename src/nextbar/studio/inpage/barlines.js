// Where the bar lines of a tune are, and the bars that they make on a grid: nextbar.music.bar_lines.
//
// Metres are [numerator, denominator] here; a tune is {tpq, signatures: [{tick, metre}], span: [first
// onset, last end]}, in ticks.

import { normalMetre } from "./bars.js";
import { Refused } from "./refused.js";

const LONGEST_BAR_QUARTERS = 6, SMALLEST_UNIT = 32, MOST_STEPS = 255;
export const SHORT_BARS = "bars shorter than their metre, filled up with silence";
export const ENDED_BARS = "bars that a change of metre ends early, read in the metre of their length";
export const CUT_BARS = "bars longer than 6 quarters, cut into shorter ones";

const normal = (metre) => normalMetre(metre.join("/")).split("/").map(Number);
const same = (one, other) => one[0] === other[0] && one[1] === other[1];
const barTicks = ([numerator, denominator], tpq) => (4 * numerator * tpq) / denominator;
const slackOf = (tpq) => tpq / 8;
const divides = (number, by) => number % by === 0;
const roundEven = (x) => { const low = Math.floor(x); return x - low === 0.5 ? low + (low % 2) : Math.round(x); };

// The stretches of bars of one metre: {begin, metre, end, isFilled}; the last has no end.
export function findBarLines(tune) {
  const { tpq, signatures, span: [firstTick] } = tune;
  if (!signatures.length) return [{ begin: 0, metre: [4, 4], end: null }];
  if (signatures.length === 1 && signatures[0].tick <= 0) return [{ begin: 0, metre: usable(signatures[0].metre, tune), end: null }];
  let { spans, parts: pickups } = joinCutBars(metreSpans(tune), tpq);
  const leading = countPickupSpans(spans, Math.max(spans[0].begin, firstTick), tpq);
  if (leading) {
    pickups.add(spans[leading].begin - spans[0].begin);
    spans = spans.slice(leading);
  }
  const filled = fillBars(spans, pickups, tpq);
  spans = joinLastBar(filled.spans, pickups, tpq);
  const begins = spans.map(({ begin }) => begin);
  const stretches = spans.map(({ metre }, i) => ({ begin: begins[i], metre, end: begins[i + 1] ?? null }));
  return endAt(filled.ticks, stretches);
}

function usable(metre, { name }) {
  if (metre.includes(0)) throw new Refused(`${name}: its time signature has a zero; correct its time signature in a music program`);
  if (metre[0] * SMALLEST_UNIT < metre[1]) throw new Refused(`${name}: its time signature is ${metre.join("/")}, less than a thirty-second; correct its time signature in a music program`);
  return normal(metre);
}

// The stretches of the tune under one metre, but those that are over before its first note.
function metreSpans(tune) {
  const shortest = slackOf(tune.tpq), [begin, end] = tune.span;
  const stated = [...tune.signatures].sort((a, b) => a.tick - b.tick);
  const events = stated.map(({ tick, metre }) => ({ tick: Math.max(tick, 0), metre }));
  if (events[0].tick > 0) events.unshift({ tick: 0, metre: [4, 4] });
  const kept = [events[0]];
  for (const event of events.slice(1)) {
    if (event.tick - kept.at(-1).tick < shortest) kept[kept.length - 1] = { tick: kept.at(-1).tick, metre: event.metre };
    else kept.push(event);
  }
  const ends = [...kept.slice(1).map(({ tick }) => tick), Math.max(end, kept.at(-1).tick)];
  let spans = kept.map(({ tick, metre }, i) => ({ begin: tick, end: Math.min(ends[i], end), metre }));
  spans = spans.filter((span) => span.end > begin && span.end - span.begin >= Math.min(shortest, end - begin));
  if (!spans.length) spans = [{ begin: kept.at(-1).tick, end, metre: kept.at(-1).metre }];
  const joined = [];
  for (const span of spans) {
    const metre = usable(span.metre, tune);
    if (joined.length && same(joined.at(-1).metre, metre)) joined[joined.length - 1] = { ...joined.at(-1), end: span.end };
    else joined.push({ ...span, metre });
  }
  return joined;
}

// Where a metre stops and comes again after at most a bar; null if it does not.
function findGap(spans, at, tpq) {
  const bar = barTicks(spans[at].metre, tpq), slack = slackOf(tpq);
  for (let until = at + 2; until < spans.length; until++) {
    let before = spans[at + 1].begin - spans[at].begin;
    before -= Math.floor((before + slack) / bar) * bar;
    const length = spans[until].begin - spans[at + 1].begin + before;
    if (length > bar + slack) return null;
    if (same(spans[until].metre, spans[at].metre)) return { until, length, before, bar };
  }
  return null;
}

// The spans, bars that are cut in two made whole; and how long parts of bars are.
function joinCutBars(spans, tpq) {
  spans = [...spans];
  const parts = new Set();
  for (let at = 0; at < spans.length;) {
    const gap = findGap(spans, at, tpq);
    const between = gap ? spans.slice(at + 1, gap.until) : [];
    if (between.length > 1) for (const span of between) parts.add(span.end - span.begin);
    let isCut = between.length > 1 || (gap !== null && gap.before > slackOf(tpq));
    if (gap && !isCut) isCut = barTicks(between[0].metre, tpq) < gap.bar;
    if (gap && isCut && Math.abs(gap.length - gap.bar) < 1) {
      spans.splice(at, gap.until - at + 1, { ...spans[at], end: spans[gap.until].end });
    } else at++;
  }
  return { spans, parts };
}

// How many spans are a pickup to the first whole bar behind them; 0 if none is.
function countPickupSpans(spans, begin, tpq) {
  for (let n = 1; n < spans.length; n++) {
    const span = spans[n], bar = barTicks(span.metre, tpq), front = spans.slice(0, n);
    if (span.end - span.begin >= bar - slackOf(tpq)) {
      const recurs = spans.slice(n, -1).some(({ metre }) => front.some((each) => same(each.metre, metre)));
      const lead = span.begin - begin;
      return lead > 0 && lead < bar - slackOf(tpq) && !recurs ? n : 0;
    }
  }
  return 0;
}

// The spans, shorter bars that a pickup makes whole in the metre around them, and those.
function fillBars(spans, pickups, tpq) {
  spans = [...spans];
  const ticks = [];
  for (let at = 0; at < spans.length; at++) {
    const gap = findGap(spans, at, tpq);
    if (gap === null || !pickups.has(roundEven(gap.bar - gap.length))) continue;
    ticks.push(spans[gap.until].begin);
    spans.splice(at + 1, gap.until - at - 1);
  }
  return { spans, ticks };
}

// The spans, a last bar that completes a pickup in the metre before it.
function joinLastBar(spans, pickups, tpq) {
  if (spans.length < 2) return spans;
  const [before, last] = spans.slice(-2);
  const lacks = barTicks(before.metre, tpq) - barTicks(last.metre, tpq);
  const isOneBar = last.end - last.begin <= barTicks(last.metre, tpq) + slackOf(tpq);
  return isOneBar && pickups.has(roundEven(lacks)) ? [...spans.slice(0, -2), { ...before, end: last.end }] : spans;
}

// The stretches, ended at each short bar's end, where it is to be filled up.
function endAt(ticks, stretches) {
  if (!ticks.length) return stretches;
  const sorted = [...ticks].sort((a, b) => a - b), found = [];
  for (const stretch of stretches) {
    let { begin } = stretch;
    for (const tick of sorted) {
      if (begin < tick && (stretch.end === null || tick <= stretch.end)) {
        found.push({ begin, metre: stretch.metre, end: tick, isFilled: true });
        begin = tick;
      }
    }
    if (begin !== stretch.end) found.push({ ...stretch, begin });
  }
  return found;
}

// -------------------------------------------------------------------- on a grid

// {shift, metres, again, ticks, lacking, told, toldAgain}: the bars that are counted out, and those that
// follow, over and over; where bars are filled up, and by how many ticks; what is to be said of it.
export function layBars({ tpq, span }, stretches, steps) {
  const [first, last] = [stretches[0], stretches.at(-1)];
  let parts = fitBar(first.metre, steps);
  let shift = 0, lead = 0;
  const width = (metre) => (4 * metre[0] * steps) / metre[1];
  if (first.begin) {
    const bar = parts.reduce((sum, { metre }) => sum + width(metre), 0), steady = (-first.begin * steps) / tpq;
    shift = ((steady % bar) + bar) % bar;
    lead = roundEven((shift + (first.begin * steps) / tpq) / bar);
  }
  const counted = new Counted(tpq, steps);
  if (lead) counted.addBars(parts, lead);
  while (lead && parts.length > 1 && shift >= width(counted.metres[0])) shift -= width(counted.metres.shift());
  for (const stretch of stretches.slice(0, -1)) counted.addStretch(stretch);
  parts = fitBar(last.metre, steps);
  if (parts.some(({ lacks }) => lacks)) {
    counted.fillEach(last.begin, parts, Math.ceil(Math.max(span[1] - last.begin, 0) / barTicks(last.metre, tpq)));
  }
  const { metres, ticks, lacking, told } = counted;
  return { shift, metres, again: parts.map(({ metre }) => metre), ticks, lacking, told, toldAgain: tell(parts, 1) };
}

// The metres of the bars up to a step, and what is to be told of them, by what it is.
export function barsUpTo(laid, end, steps) {
  const width = (metre) => (4 * metre[0] * steps) / metre[1], metres = [];
  let at = 0;
  for (const metre of laid.metres) {
    if (at >= end && metres.length) break;
    metres.push(metre);
    at += width(metre);
  }
  if (metres.length < laid.metres.length || (laid.metres.length && at >= end)) return { metres, told: laid.told };
  const whole = laid.again.reduce((sum, metre) => sum + width(metre), 0), left = end - at;
  const times = Math.floor(left / whole);
  let n = laid.again.length * times;
  for (let rest = left - times * whole; rest > 0; n++) rest -= width(laid.again[n % laid.again.length]);
  for (let i = 0; i < n; i++) metres.push(laid.again[i % laid.again.length]);
  const nTimes = Math.ceil(n / laid.again.length), told = { ...laid.told };
  for (const [what, count] of Object.entries(laid.toldAgain)) told[what] = (told[what] ?? 0) + count * nTimes;
  return { metres, told };
}

// A bar of the metre on the grid: the parts that it is cut into, {metre, quarters, lacks} each.
export function fitBar(metre, steps) {
  return cutLong(metre, steps).map((part) => {
    const quarters = (4 * part[0]) / part[1], isWhole = divides(4 * part[0] * steps, part[1]);
    const fitting = part[1] > SMALLEST_UNIT || !isWhole ? longerMetre(quarters, steps) : part;
    return { metre: fitting, quarters, lacks: (4 * fitting[0]) / fitting[1] - quarters };
  });
}

// The fewest bars of at most six quarters that a bar makes, the longer ones first.
export function cutLong(metre, steps) {
  const longest = Math.min(LONGEST_BAR_QUARTERS, Math.floor(MOST_STEPS / steps)), [units, unit] = metre;
  if (4 * units <= longest * unit) return [normal(metre)];
  if (longest * unit < 4) return cutLong([2 * units, 2 * unit], steps);
  const beat = units > 3 && divides(units, 3) && longest * unit >= 12 ? 3 : 1, beats = Math.floor(units / beat);
  const nBars = Math.ceil(beats / Math.floor((longest * unit) / (4 * beat)));
  return [...Array(nBars).keys()].map((nth) => normal([beat * (Math.floor(beats / nBars) + (nth < beats % nBars ? 1 : 0)), unit]));
}

// The usual metre of that length on the grid, in units like another's if it can be; or null.
function metreOfLength(quarters, like, steps) {
  const isCompound = like[0] > 3 && divides(like[0], 3);
  const units = [4, 8, ...(like[1] > 8 && like[1] <= SMALLEST_UNIT ? [like[1]] : [])];
  for (const [beat, unit] of [...(isCompound ? [[3, like[1]]] : []), ...units.map((unit) => [1, unit])]) {
    const number = beat * roundEven((quarters * unit) / 4 / beat);
    const isNear = Math.abs((4 * number) / unit - quarters) * unit <= 0.5;
    if (number && isNear && divides(4 * number * steps, unit)) return normal([number, unit]);
  }
  return null;
}

// The shortest metre in eighths or quarters, of whole steps, that has room for so much.
function longerMetre(quarters, steps) {
  const found = [4, 8].map((unit) => ({ length: (4 * Math.ceil((quarters * unit) / 4)) / unit, metre: normal([Math.ceil((quarters * unit) / 4), unit]) }));
  const whole = found.filter(({ metre }) => divides(4 * metre[0] * steps, metre[1]));
  whole.sort((a, b) => a.length - b.length || a.metre[0] - b.metre[0] || a.metre[1] - b.metre[1]);
  return whole[0].metre;
}

// The bars of stretches that have an end, one stretch behind the other.
class Counted {
  constructor(tpq, steps) {
    Object.assign(this, { tpq, steps, metres: [], ticks: [], lacking: [], told: {} });
  }

  #tell(told) { for (const [what, n] of Object.entries(told)) this.told[what] = (this.told[what] ?? 0) + n; }

  addBars(parts, n) {
    for (let i = 0; i < n; i++) this.metres.push(...parts.map(({ metre }) => metre));
  }

  fillEach(begin, parts, nBars) {
    let end = 0;
    const ends = parts.map(({ quarters }) => (end += quarters) * this.tpq);
    for (let bar = 0; bar < nBars; bar++) {
      parts.forEach(({ lacks }, i) => {
        this.ticks.push(begin + bar * ends.at(-1) + ends[i]);
        this.lacking.push(lacks * this.tpq);
      });
    }
  }

  addStretch(stretch) {
    const parts = fitBar(stretch.metre, this.steps), bar = barTicks(stretch.metre, this.tpq), slack = slackOf(this.tpq);
    const nBars = Math.floor((stretch.end - stretch.begin + slack) / bar);
    const rest = stretch.end - stretch.begin - nBars * bar;
    this.addBars(parts, nBars);
    if (parts.some(({ lacks }) => lacks)) this.fillEach(stretch.begin, parts, nBars);
    this.#tell(tell(parts, nBars));
    if (rest < slack) this.#fill(stretch.end, -rest);
    else if (stretch.isFilled) {
      this.addBars(parts, 1);
      this.#fill(stretch.end, bar - rest + parts.reduce((sum, { lacks }) => sum + lacks, 0) * this.tpq);
      this.#tell({ [SHORT_BARS]: 1 });
    } else this.#addRest(stretch, parts, rest);
  }

  // What a change of metre has left of a bar.
  #addRest(stretch, parts, rest) {
    const slack = slackOf(this.tpq);
    for (const part of parts) {
      const length = part.quarters * this.tpq;
      if (rest < length - slack) break;
      this.addBars([part], 1);
      rest -= length;
      this.#fill(stretch.end - Math.max(rest, 0), part.lacks * this.tpq);
    }
    if (rest < slack) {
      this.#fill(stretch.end, -rest);
      return;
    }
    const quarters = rest / this.tpq, fitting = metreOfLength(quarters, stretch.metre, this.steps);
    const metre = fitting ?? longerMetre(quarters, this.steps);
    this.addBars([{ metre }], 1);
    this.#fill(stretch.end, barTicks(metre, this.tpq) - rest);
    this.#tell({ [fitting ? ENDED_BARS : SHORT_BARS]: 1 });
  }

  #fill(tick, lacking) {
    if (Math.abs(lacking) > 1e-6) {
      this.ticks.push(tick);
      this.lacking.push(lacking);
    }
  }
}

function tell(parts, nBars) {
  const told = { [CUT_BARS]: parts.length > 1 ? nBars : 0, [SHORT_BARS]: parts.some(({ lacks }) => lacks) ? nBars : 0 };
  return Object.fromEntries(Object.entries(told).filter(([, n]) => n));
}
