// Which table answers a question, and what it says over a range, with its uncertainty.

const isFact = (metric) => METRICS[metric]?.kind === "fact";
const tablesOf = (metric, grain) => Object.keys(D.tables).filter((name) => name.startsWith(`${metric}|${grain}|`));
const cutsOf = (metric, grain) => tablesOf(metric, grain).map((name) => name.split("|")[2]);
function cutOf(metric, grain, dimensions) {
  return [dimensions.join(), [...dimensions].reverse().join()].find((cut) => D.tables[`${metric}|${grain}|${cut}`]);
}

// The table of a metric cut by `by` and the active filters. Where there is none, the one that obeys
// most of them; `refused` holds the others.
function answer(metric, grain, by = "") {
  const own = by ? by.split(",") : [], outer = state.filters.filter(([name]) => !own.includes(name));
  const tries = outer.length > 1 ? [outer, [outer[0]], [outer[1]]] : outer.length ? [outer] : [];
  for (const applied of tries)
    for (const size of grain === "day" ? ["day", "week"] : [grain]) {
      const cut = cutOf(metric, size, [...own, ...applied.map(([name]) => name)]);
      if (cut !== undefined) return part({ metric, cut, own, applied, grain: size, moved: size !== grain, refused: outer.filter((one) => !applied.includes(one)) });
    }
  return part({ metric, cut: own.join(), own, applied: [], grain, moved: false, refused: outer });
}

// The rows of a table that the filters leave, with the keys of the chart's own dimensions.
function part(got) {
  const { metric, grain, cut, own, applied } = got, cube = D.tables[`${metric}|${grain}|${cut}`], names = cut.split(",");
  if (!cube) return null;
  const rows = cube.keys.map((key, row) => ({ row, whole: key }))
    .filter(({ whole }) => applied.every(([name, value]) => whole[names.indexOf(name)] === value))
    .map(({ row, whole }) => ({ row, key: own.map((name) => whole[names.indexOf(name)]) }));
  return { ...got, cube, rows, place: new Map(cube.at.map((day, column) => [day, column])), picked: state.filters.filter(([name]) => own.includes(name)) };
}

// One cell in one window: value, standard deviation `sd`, and `half`, how far a limit reaches.
const NONE = { value: null, sd: 0, half: 0, bound: "" };
function cell(got, row, measure, day) {
  const column = got.place.get(day), { unit, kind } = METRICS[got.metric];
  if (column === undefined) return NONE;
  const at = (name) => got.cube[name]?.[row][column] ?? null;
  const under = at("under"), over = at("over"), below = at("denominator"), above = at("numerator");
  const bound = under !== null ? W.under(show(under, unit)) : over !== null ? W.over(show(over, unit)) : "";
  if (kind !== "fact" && bound) {
    const [from, to] = under !== null ? [0, under] : [over, 1];
    return { value: null, middle: (from + to) / 2, half: (to - from) / 2, sd: 0, below, bound };
  }
  const value = measure === "value" && got.cube.numerator ? (above === null || !below ? null : above / below) : at(measure);
  if (value === null) return NONE;
  return { value, below, above, sd: spread(METRICS[got.metric], measure, value, below, at), half: 0, bound: kind === "fact" && bound ? bound : "" };
}

// What the perturbation and the sample leave open, as a standard deviation: `error` is published with
// each figure; events happen by chance (Poisson), shares of events are binomial, a quantile's rank
// as well; a mean of amounts varies by about itself.
function spread({ kind, measure: counted }, measure, value, below, at) {
  const counts = kind === "share" || counted.startsWith("count");
  const error = at("error") ?? 0;
  if (kind === "fact") return 0;
  if (kind === "count" || kind === "accounts") return Math.hypot(error, Math.sqrt(value));
  if (kind === "sum") return Math.hypot(error, Math.sqrt(error * value));
  if (kind === "per_account") return Math.hypot(error, value / Math.sqrt(below || 1));
  if (kind !== "percentiles") {
    const sample = counts ? Math.sqrt(Math.max(0, value * (1 - value)) / (below || 1)) : value / Math.sqrt(below || 1);
    return Math.hypot(error, sample);
  }
  const q = Number(measure.slice(1)) / 100, rank = Math.hypot(error, Math.sqrt((q * (1 - q)) / (at("accounts") || 20)));
  return value * rank * steepness(q, at);
}

// How fast the logarithm of a quantile grows with its rank: between what it does on either side.
function steepness(q, at) {
  const known = [50, 90, 95, 99].map((name) => [name / 100, at(`p${name}`)]).filter(([, value]) => value > 0);
  const here = known.findIndex(([rank]) => rank === q), sides = [[here - 1, here], [here, here + 1]].filter(([low, high]) => known[low] && known[high]);
  const slopes = sides.map(([low, high]) => Math.log(known[high][1] / known[low][1]) / (known[high][0] - known[low][0]));
  return slopes.length ? Math.max(0, slopes.reduce((one, other) => one * other, 1)) ** (1 / slopes.length) : 0;
}
const BUCKET = 0.045; // Times are stored in quarter octaves: within about 9 %, twice this.

// One number for a range. Says how it was made: unique people and quantiles do not add up.
function summary(got, row, measure, windows) {
  const { metric, grain } = got, { kind, unit } = METRICS[metric], name = grain === "period" ? W.keyPeriodName : grain;
  const all = windows.map((day) => cell(got, row, measure, day)), known = all.filter(({ value }) => !nothing(value));
  const limits = all.filter(({ value, bound }) => nothing(value) && bound), size = known.length + limits.length;
  const made = (value, sd, how, half = 0) => ({ value, sd, half, how, windows: size, of: windows.length, bound: "" });
  if (!known.length) return { ...made(null, 0, "", 0), bound: limits.length ? weakest(limits) : "" };
  const values = known.map(({ value }) => value), sds = known.map(({ sd }) => sd);
  if (kind === "percentiles") {
    const middle = [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
    const sd = (values.length > 2 ? 1.25 : 1) * root2(sds) / values.length;
    return made(middle, Math.hypot(sd, unit === "fps" ? 0 : BUCKET * middle), W.medianOf(known.length, name));
  }
  if (got.cube.numerator) {
    const weight = [...known, ...limits].map(({ below }) => below), whole = add(weight);
    const value = (add(known.map(({ above }) => above)) + add(limits.map(({ middle, below }) => middle * below))) / whole;
    const half = add(limits.map(({ half: reach, below }) => reach * below)) / whole;
    const how = noted(W.overWindows(size, name), limits.length ? W.limited(limits.length, name) : "");
    return { ...made(value, root2(known.map(({ sd, below }) => sd * below)) / whole, how, half), atMost: known.some(({ bound }) => bound) };
  }
  if (kind === "count" || kind === "sum" || kind === "fact") {
    const rounding = kind === "fact" && unit !== "ratio" ? 0.03 * add(values) : 0;
    return { ...made(add(values), root2(sds), W.inWindows(known.length, windows.length, name), rounding), atMost: known.some(({ bound }) => bound) };
  }
  return made(add(values) / values.length, root2(sds) / values.length, W.meanOf(known.length, name));
}
const weakest = (limits) => limits.reduce((one, other) => (other.half > one.half ? other : one)).bound;

// The same over all rows of a table whose cells add up.
function total(got, measure, windows) {
  if (got.rows.length === 1) return summary(got, got.rows[0].row, measure, windows);
  const parts = got.rows.map(({ row }) => summary(got, row, measure, windows)).filter(({ value }) => !nothing(value));
  if (!parts.length) return { ...NONE, how: "", windows: 0, of: windows.length };
  const held = windows.filter((day) => got.place.has(day)).length;
  return {
    value: add(parts.map(({ value }) => value)), sd: root2(parts.map(({ sd }) => sd)), half: add(parts.map(({ half }) => half)), bound: "",
    how: W.inWindows(held, windows.length, got.grain), windows: held, of: windows.length, atMost: parts.some(({ atMost }) => atMost),
  };
}
const noiseOf = ({ sd, half }) => 2 * sd + half;

// What a figure says: itself, a limit, or that it is too small.
function say(figure, unit, brief) {
  if (nothing(figure.value)) return figure.bound || W.suppressed(D.rule.accounts);
  const text = show(figure.value, unit, brief);
  return figure.atMost ? W.atMost(text) : text;
}

// A comparison: an arrow, a sign and a word only for what is more than both figures' uncertainty.
// A share and its complement get the same verdict: what is small of the two is what counts.
function verdict(metric, now, before) {
  const { good, unit } = METRICS[metric], grey = (text) => ({ word: "", text });
  if (state.compare === "none") return grey(W.notCompared);
  if (before === null && state.compare === "four") return grey(W.overlap);
  if (!before || nothing(before.value) || nothing(now.value) || before.windows !== now.windows) return grey(W.noEarlier);
  const noise = 2 * Math.hypot(now.sd, before.sd) + now.half + before.half, change = now.value - before.value;
  const base = unit === "ratio" ? Math.min(before.value, 1 - before.value) : Math.abs(before.value);
  const size = (amount) => (unit === "ratio" ? showSpread(amount, unit) : base ? percents[1].format(amount / base) : show(amount, unit));
  if (Math.abs(change) <= noise && change !== 0) return grey(W.noise(size(noise)));
  if (Math.abs(change) <= 0.01 * base || change === 0) return grey(W.same);
  const up = change > 0, word = good === "neither" ? "" : (good === "up") === up ? "better" : "worse";
  return { word, text: `${up ? "▲ +" : "▼ −"}${size(Math.abs(change))}${word && ", " + W[word]}` };
}

// The same of a row with a key: what is merged holds other cells in every window, so it is not compared.
function changeOf(got, one, measure, windows) {
  return one.key === OTHER ? { before: null, word: "", text: "" } : compared(got, one.row, measure, windows, one);
}

// A comparison of one row of a table over a range.
function compared(got, row, measure, windows, now) {
  const shift = shiftOf(got, windows);
  const before = shift === null ? null : summary(got, row, measure, windows.map((day) => day - shift));
  return { before, ...verdict(got.metric, now ?? summary(got, row, measure, windows), before) };
}

// That a chart does not obey a filter; nothing where it does.
function refusalOf({ applied, refused }) {
  return refused.length ? (applied.length ? W.alsoRefused : W.refused)(refused.map(([name]) => low(name))) : "";
}

// What the filters and the range do to a chart, in words.
function noteOf(got, windows, more = "") {
  const named = (filters) => filters.map(([name]) => low(name)), { applied, grain } = got;
  return sentences(
    applied.length ? W.filtered(named(applied)) : "",
    refusalOf(got),
    got.picked.length ? W.picked(got.picked.map(([name, key]) => label(name, key))) : "",
    got.moved ? W.byWeeks : "",
    grain === "week" ? windowsText(grain, windows) + "." : grain === "period" ? W.ownPeriod(windowsText(grain, windows)) : "", more,
  );
}
