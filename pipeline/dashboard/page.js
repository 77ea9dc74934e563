// Draws the page from its data block. No framework, no request; all words about a metric come from
// the registry, pages and charts from the layout. Sections: values, state, figures, charts, page.
"use strict";
(() => {
const $ = (id) => document.getElementById(id);
const D = JSON.parse($("data").textContent);
const METRICS = Object.fromEntries(D.metrics.map((m) => [m.name, m]));
const { page: PAGES, names: NAMES, filters: FILTERS } = D.layout;
const DAY = 864e5, EPOCH_ORIGIN = 19723; // 2024-01-01, a Monday
const SPAN = { day: 1, week: 7, period: D.epoch_days }, OTHER = "(other)";
echarts.registerMap("world", JSON.parse($("world").textContent));

// ---- values: numbers and dates as people read them -------------------------------------------
const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const percent = (digits) => new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: digits });
const dates = (format) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", ...format });
const dayText = dates({}), longDay = dates({ weekday: "short", year: "numeric" });
const country = new Intl.DisplayNames("en", { type: "region" });
const days = (number) => new Date(number * DAY);
const iso = (number) => days(number).toISOString().slice(0, 10);
const dayOf = (text) => (text ? Math.round(Date.parse(text) / DAY) : null);
const nothing = (value) => value === null || value === undefined || Number.isNaN(value);
const count = (many, noun) => `${plain.format(many)} ${noun}${many === 1 ? "" : "s"}`;
const add = (list) => list.reduce((sum, value) => sum + value, 0);

function show(value, unit, brief) {
  if (nothing(value)) return "hidden";
  if (unit === "ratio") return percent(value > 0.98 && value < 1 ? 3 : value < 0.02 ? 2 : 1).format(value);
  if (unit === "ms" || unit === "s") {
    const seconds = unit === "ms" ? value / 1000 : value;
    if (seconds < 1) return `${plain.format(Math.round(seconds * 1000))} ms`;
    if (seconds < 90) return `${plain.format(seconds)} s`;
    return seconds < 5400 ? `${plain.format(seconds / 60)} min` : `${plain.format(seconds / 3600)} h`;
  }
  if (unit === "bytes") {
    const power = value < 1 ? 0 : Math.min(4, Math.floor(Math.log10(value) / 3));
    return `${plain.format(value / 1000 ** power)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
  }
  if (["accounts", "sessions", "requests", "events"].includes(unit)) value = Math.round(value);
  const text = brief && Math.abs(value) >= 1e4 ? short.format(value) : plain.format(value);
  return unit === "fps" ? `${text} fps` : unit === "hours" ? `${text} h` : text;
}
const low = (name) => (/^[A-Z]{2}/.test(NAMES[name]) ? NAMES[name] : NAMES[name].toLowerCase());
function label(dimension, key) {
  if (dimension === "country" && /^[A-Z]{2}$/.test(key)) return key === "ZZ" ? "Unknown" : country.of(key);
  return { [OTHER]: "Other, merged", "(not reported)": "Not reported", "(none)": "None" }[key] ?? key;
}

// ---- state: page, range and filters live in the address's hash --------------------------------
// LAST is the last closed day that is shown; where nothing passed the gate, the day before the build.
const FIRST = dayOf(D.first_day), LAST = dayOf(D.last_day) ?? dayOf(D.built_at.slice(0, 10)) - 1;
const state = { page: PAGES[0], preset: 28, from: 0, to: 0, filters: [] };
const within = (day) => Math.max(FIRST ?? LAST, Math.min(day, LAST));

function readHash() {
  const [page, query] = location.hash.slice(1).split("?");
  const words = new URLSearchParams(query);
  const preset = [7, 28, 90].find((size) => size === Number(words.get("days"))) ?? 28;
  Object.assign(state, { page: PAGES.find(({ name }) => name === page) ?? PAGES[0], preset, from: LAST - preset + 1, to: LAST });
  const from = dayOf(words.get("from")), to = dayOf(words.get("to"));
  if (from && to && from <= to) Object.assign(state, { preset: 0, from: within(from), to: within(to) });
  state.filters = FILTERS.filter((name) => words.get(name)).slice(0, 2).map((name) => [name, words.get(name)]);
}

function hashFor(changes) {
  const next = { ...state, ...changes };
  const words = new URLSearchParams();
  if (!next.preset) { words.set("from", iso(next.from)); words.set("to", iso(next.to)); }
  else if (next.preset !== 28) words.set("days", next.preset);
  next.filters.forEach(([name, value]) => words.set(name, value));
  return `#${next.page.name}${String(words) && "?" + words}`;
}
const go = (changes) => { location.hash = hashFor(changes); };

// ---- figures: which table answers, and what it says over a range -------------------------------
const cube = (metric, grain, cut) => D.tables[`${metric}|${grain}|${cut}`];
const cutsOf = (metric, grain) => Object.keys(D.tables).filter((name) => name.startsWith(`${metric}|${grain}|`)).map((name) => name.split("|")[2]);
const isFact = (metric) => METRICS[metric].kind === "fact";

// The table of a metric cut by `by` and the active filters, or the nearest one with a note.
function answer(metric, grain, by = "") {
  const own = by ? by.split(",") : [];
  const wanted = state.filters.filter(([name]) => !own.includes(name));
  const dims = [...own, ...wanted.map(([name]) => name)];
  for (const size of grain === "day" ? ["day", "week"] : [grain])
    for (const cut of new Set([dims.join(), [...dims].reverse().join()])) {
      const note = wanted.length && size !== grain ? "Two dimensions: published per week." : "";
      if (cube(metric, size, cut)) return part(metric, size, cut, own, wanted, note);
    }
  return part(metric, grain, own.join(), own, [], wanted.length ? `Not published by ${dims.map(low).join(" and ")}: all are shown.` : "");
}

// The rows of a table that the filters leave, with the keys of the chart's own dimensions.
function part(metric, grain, cut, own, wanted, note) {
  const found = cube(metric, grain, cut), names = cut.split(",");
  if (!found) return null;
  const place = new Map(found.at.map((day, column) => [day, column]));
  const rows = found.keys.map((key, row) => ({ row, key }))
    .filter(({ key }) => wanted.every(([name, value]) => key[names.indexOf(name)] === value))
    .map(({ row, key }) => ({ row, key: own.map((name) => key[names.indexOf(name)]) }));
  return { cube: found, grain, rows, note, place };
}

function number(found, measure, row, column) {
  if (found[measure]) return found[measure][row][column];
  if (measure !== "value" || !found.numerator) return null;
  const below = found.denominator[row][column];
  return nothing(below) || !below ? null : found.numerator[row][column] / below;
}

// First days of the windows that end in the range, without gaps: one that was not published has no
// column in the table, and stays empty.
function windows({ cube: { at }, grain }, from, to) {
  const inside = at.filter((day) => day + SPAN[grain] > from && day + SPAN[grain] - 1 <= to), all = [];
  for (let day = inside[0]; day <= inside.at(-1); day += SPAN[grain]) all.push(day);
  return all;
}
const newest = (got) => (got ? windows(got, -1e6, state.to).at(-1) : undefined);

// One number for a range. Says how it was made, because unique people and quantiles do not add up.
function summary(metric, got, row, measure, from, to) {
  const { cube: found, grain, place } = got;
  const at = windows(got, from, to).filter((day) => !nothing(number(found, measure, row, place.get(day))));
  if (!at.length) return { value: null, how: "", windows: 0 };
  const values = at.map((day) => number(found, measure, row, place.get(day)));
  const over = (grid) => add(at.map((day) => grid[row][place.get(day)]));
  const many = count(at.length, grain), say = (value, how) => ({ value, how, windows: at.length });
  if (measure !== "value") return say([...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)], `median of ${many}`);
  if (found.numerator) return say(over(found.numerator) / over(found.denominator), `over ${many}`);
  if (["count", "sum", "fact"].includes(METRICS[metric].kind)) return say(add(values), `in ${many}`);
  if (grain === "day") return say(add(values) / values.length, `mean of ${many}`);
  return { value: values.at(-1), how: `${grain} from ${dayText.format(days(at.at(-1)))}`, windows: 1 };
}

// The same over all rows of a table whose cells add up.
function total(metric, got, measure, from, to) {
  if (got.rows.length === 1) return summary(metric, got, got.rows[0].row, measure, from, to);
  const cells = got.rows.map(({ row }) => summary(metric, got, row, measure, from, to).value).filter((value) => !nothing(value));
  const many = windows(got, from, to).filter((day) => got.place.has(day)).length;
  return { value: cells.length ? add(cells) : null, how: `in ${count(many, got.grain)}`, windows: many };
}

function delta(metric, now, before) {
  const { good, unit } = METRICS[metric];
  if (nothing(before)) return ["", "No earlier period to compare with"];
  const change = before === 0 ? (now === 0 ? 0 : 1) : (now - before) / Math.abs(before);
  if (Math.abs(change) < 0.01) return ["", "= about the same as before"];
  const points = plain.format(Math.abs(now - before) * 100);
  const size = unit === "ratio" ? `${points === "0" ? "<0.1" : points} pp` : percent(1).format(Math.abs(change));
  const up = now > before, word = good === "neither" ? "" : (good === "up") === up ? "better" : "worse";
  return [word, `${up ? "▲ +" : "▼ −"}${size}${word && ", " + word}`];
}

// ---- charts: each gives { option, head, rows, ... }, or null for an empty state ----------------
const style = getComputedStyle(document.documentElement); // Live: it follows the theme.
const ink = (name) => style.getPropertyValue(`--${name}`).trim();
const tone = (number) => ink(`c${number}`);

function frame(unit, xs) {
  return {
    animation: false, aria: { enabled: false },
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: ink("soft"), fontSize: 12 },
    grid: { left: 4, right: 14, top: 24, bottom: 2, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    tooltip: {
      trigger: "axis", renderMode: "richText", confine: true, padding: 10, textStyle: { color: ink("ink"), fontSize: 12.5 },
      backgroundColor: ink("card"), borderColor: ink("line"), borderWidth: 1,
      axisPointer: { type: "line", lineStyle: { color: ink("axis"), type: "solid", opacity: 0.5 } },
    },
    xAxis: {
      type: "category", data: xs, axisTick: { show: false }, axisLine: { lineStyle: { color: ink("line") } },
      axisLabel: { color: ink("axis"), hideOverlap: true },
    },
    yAxis: {
      type: "value", splitNumber: 4, splitLine: { lineStyle: { color: ink("grid") } },
      axisLabel: { color: ink("axis"), formatter: (value) => show(value, unit, true) },
    },
  };
}
const names = (data) => ({ type: "category", inverse: true, data, axisTick: { show: false }, axisLine: { show: false }, axisLabel: { color: ink("ink"), fontSize: 12, width: 168, overflow: "truncate" } });
const windowText = (day, grain) => (grain === "day" ? longDay.format(days(day)) : `${dayText.format(days(day))} – ${longDay.format(days(day + SPAN[grain] - 1))}`);
const notesIn = (day, grain) => D.annotations.filter((note) => dayOf(note.day) >= day && dayOf(note.day) < day + SPAN[grain]);

// The frame of a chart over time, with a tooltip that names the window and what is marked in it.
function timeFrame({ grain }, unit, starts) {
  const option = frame(unit, starts.map((day) => dayText.format(days(day))));
  const mondays = (at) => days(starts[at]).getUTCDay() === 1 && (starts.length < 50 || Math.round((starts[at] - EPOCH_ORIGIN) / 7) % 2 === 0);
  option.xAxis.axisLabel.interval = starts.length <= 10 ? () => true : mondays;
  option.tooltip.formatter = (points) => {
    const day = starts[points[0]?.dataIndex];
    const notes = nothing(day) ? [] : notesIn(day, grain).map((note) => `\n◆ ${note.kind}: ${note.text}`);
    return nothing(day) ? "" : windowText(day, grain) + points.map((p) => `\n${p.seriesName}  ${show(p.value, unit)}`).join("") + notes.join("");
  };
  return option;
}

// Dashed lines: borders of key periods on charts of people; dotted: marked days, on all charts.
function marks(metric, starts, grain) {
  const { kind, population } = METRICS[metric], lines = [];
  const people = ["accounts", "share", "per_account"].includes(kind) || population.startsWith("people");
  const epoch = (day) => Math.floor((day - EPOCH_ORIGIN) / D.epoch_days);
  const mark = (at, type, color, formatter) => lines.push({ xAxis: at, lineStyle: { type, color }, label: { formatter } });
  starts.forEach((day, at) => {
    if (people && grain !== "period" && at > 0 && epoch(day) !== epoch(starts[at - 1])) mark(at, "dashed", ink("axis"), "new key period");
    for (const { kind, text } of notesIn(day, grain)) mark(at, "dotted", kind === "incident" ? ink("bad") : ink("axis"), kind === "note" ? text : kind);
  });
  const crowded = (at) => at > 0 && lines[at].xAxis - lines[at - 1].xAxis < starts.length * (innerWidth < 600 ? 0.26 : 0.08);
  lines.forEach((line, at) => Object.assign(line.label, {
    show: !crowded(at), position: line.xAxis > starts.length * 0.8 ? "insideEndBottom" : "end", color: ink("soft"), fontSize: 11, rotate: 0, distance: 4,
  }));
  return { silent: true, symbol: "none", data: lines };
}

// Weeks and periods are few: show at least the last eight. Counts of the pipeline itself go on
// into the days that are still open, which are drawn hatched.
function range(metric, grain) {
  const { from, to } = state;
  if (isFact(metric) && to === LAST) return [from, to + 3];
  return grain === "day" ? [from, to] : [Math.min(from, to - 8 * SPAN[grain] + 1), to];
}
const isOpen = (metric, day) => isFact(metric) && day > LAST;
const openNote = (metric, starts) => (starts.some((day) => isOpen(metric, day)) ? "Hatched: the day is still open, its figure is not final." : "");
function hatched(colour) {
  const tile = Object.assign(document.createElement("canvas"), { width: 6, height: 6 }), pen = tile.getContext("2d");
  pen.strokeStyle = colour; pen.lineWidth = 1.6;
  for (const shift of [-6, 0, 6]) { pen.moveTo(shift, 6); pen.lineTo(shift + 6, 0); }
  pen.stroke();
  return { image: tile, repeat: "repeat" };
}
const noted = (...notes) => notes.filter(Boolean).join(" · ");

function trend(metric, { grain = "day" }) {
  const got = answer(metric, grain), { unit, title } = METRICS[metric];
  if (!got?.rows.length) return null;
  const { cube: found, place } = got, [{ row }] = got.rows, [from, to] = range(metric, got.grain);
  const starts = windows(got, from, to), size = to - from + 1;
  const series = (measure, shift = 0) => starts.map((day) => number(found, measure, row, place.get(day - shift)) ?? null);
  const measures = ["p50", "p90", "p95", "p99"].filter((name) => found[name]);
  const lines = (measures.length ? measures : ["value"]).map((name) => ({ name: name === "value" ? title : name, data: series(name) }));
  const values = lines.flatMap((line) => line.data).filter((value) => !nothing(value));
  if (!values.length) return null;
  const before = measures.length || got.grain !== "day" ? [] : series("value", size), compared = before.some((value) => !nothing(value));
  const high = unit === "ratio" && Math.min(...values) > 0.5; // A share near 100 % needs no axis from 0.
  const lonely = lines.some(({ data }) => data.some((value, at) => !nothing(value) && nothing(data[at - 1]) && nothing(data[at + 1])));
  const option = timeFrame(got, unit, starts), note = openNote(metric, starts);
  option.series = lines.map(({ name, data }, at) => ({
    type: "line", name, data, color: tone(at), lineStyle: { width: 2 }, symbolSize: starts.length < 12 ? 6 : 4, showSymbol: lonely || starts.length < 12,
    areaStyle: lines.length === 1 && !high ? { opacity: 0.07 } : undefined, markLine: at ? undefined : marks(metric, starts, got.grain),
  }));
  if (compared) option.series.push({ type: "line", name: "Before", data: before, showSymbol: false, color: ink("before"), lineStyle: { width: 1.5, type: "dashed" } });
  option.xAxis.boundaryGap = starts.length < 2 || note !== "";
  if (note) option.xAxis.splitArea = { show: true, interval: 0, areaStyle: { color: starts.map((day) => (isOpen(metric, day) ? hatched(ink("line")) : "transparent")) } };
  if (high) Object.assign(option.yAxis, { min: ({ min }) => Math.max(0, Math.min(0.95, Math.floor((min - (1 - min) * 0.3) * 200) / 200)), max: 1, axisLabel: { ...option.yAxis.axisLabel, showMinLabel: false } });
  if (unit === "s") { // Minutes and hours have other round numbers than tens.
    const most = Math.max(...values), step = [5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200].find((size) => size * 5 >= most) ?? 14400;
    Object.assign(option.yAxis, { interval: step, max: Math.ceil(most / step) * step });
  }
  return {
    option, unit, note: noted(got.note, note), fact: isFact(metric),
    head: [got.grain, ...lines.map((line) => line.name), ...(compared ? ["Before"] : [])],
    rows: starts.map((day, at) => [iso(day), ...lines.map((line) => line.data[at]), ...(compared ? [before[at]] : [])]),
    legend: lines.length > 1 ? lines.map((line, at) => [line.name, `s${at}`]) : compared ? [[title, "s0"], [`${size} days before`, "dash"]] : [],
    say: `${lines[0].name} from ${show(lines[0].data.find((v) => !nothing(v)), unit)} to ${show(lines[0].data.findLast((v) => !nothing(v)), unit)}`,
  };
}

function stack(metric, { by, grain = "day" }) {
  const got = answer(metric, grain, by), { unit } = METRICS[metric];
  if (!got) return null;
  const { cube: found, place } = got, starts = windows(got, ...range(metric, got.grain));
  // A cell that is missing is hidden, but of what the pipeline counts itself: there it is none.
  const value = (rows, day) => {
    const cells = rows.map((row) => number(found, "value", row, place.get(day))).filter((cell) => !nothing(cell));
    return cells.length || (isFact(metric) && place.has(day)) ? add(cells) : null;
  };
  const sized = got.rows.map(({ row, key }) => ({ row, key: key[0], total: add(starts.map((day) => value([row], day))) }));
  const ordered = sized.filter((item) => item.total > 0).sort((a, b) => b.total - a.total);
  if (!ordered.length) return null;
  const main = ordered.filter((item) => item.key !== OTHER).slice(0, 8), rest = ordered.filter((item) => !main.includes(item));
  const bands = main.map((item, at) => ({ name: label(by, item.key), rows: [item.row], colour: at }));
  if (rest.length) bands.push({ name: rest.length === 1 ? label(by, rest[0].key) : `${rest.length} more`, rows: rest.map((item) => item.row), colour: 8 });
  const option = timeFrame(got, unit, starts), line = option.tooltip.formatter;
  Object.assign(option.tooltip, { axisPointer: { type: "shadow" }, formatter: (points) => line([...points].reverse().filter((p) => p.value)) });
  const bar = (band, day) => (isOpen(metric, day) ? { value: value(band.rows, day), itemStyle: { color: hatched(tone(band.colour)) } } : value(band.rows, day));
  option.series = bands.map((band, at) => ({
    type: "bar", stack: "all", name: band.name, color: tone(band.colour), barCategoryGap: "22%", barMaxWidth: 64,
    data: starts.map((day) => bar(band, day)), itemStyle: { borderColor: ink("card"), borderWidth: starts.length < 40 ? 0.5 : 0 },
    markLine: at ? undefined : marks(metric, starts, got.grain),
  }));
  return {
    option, unit, note: noted(got.note, openNote(metric, starts)), fact: isFact(metric), say: `largest: ${bands[0].name}`,
    head: [got.grain, ...bands.map((band) => band.name)], rows: starts.map((day) => [iso(day), ...bands.map((band) => value(band.rows, day))]),
    legend: bands.map((band) => [band.name, `s${band.colour}`]),
  };
}

// Every cell of a table, each as one number for the range.
function cells(metric, { by, grain = "day", measure = "value", skip }) {
  const got = answer(metric, grain, by), items = got ? got.rows.map(({ row, key }) => ({ key: key[0], ...summary(metric, got, row, measure, ...range(metric, got.grain)) })) : [];
  return { got, items: items.filter((item) => !nothing(item.value) && item.key !== skip) };
}

const MOST_BARS = 14;
function rank(metric, spec) {
  const { got, items } = cells(metric, spec), first = ({ key }) => (/^\d/.test(key) ? parseInt(key, 10) : 99);
  if (!items.length) return null;
  const most = items.reduce((best, item) => (item.windows > best.windows ? item : best)), more = items.length - MOST_BARS;
  items.sort(spec.ordered ? (a, b) => first(a) - first(b) : (a, b) => (a.key === OTHER) - (b.key === OTHER) || b.value - a.value);
  return bars(metric, spec, items.slice(0, MOST_BARS), noted(got.note, METRICS[metric].kind === "count" ? "" : most.how,
    items.some((item) => item.windows < most.windows) ? "a row counts only on the days on which it could be shown" : "",
    more > 0 ? `${more} smaller ${more > 1 ? "ones are" : "one is"} not drawn` : ""));
}

function bars(metric, { by, measure = "value" }, items, note) {
  const { unit, title } = METRICS[metric], option = frame(unit, null), texts = items.map((item) => label(by, item.key));
  const faded = (key) => state.filters.some(([name, value]) => name === by && value !== key);
  Object.assign(option.grid, { right: 62, top: 6 });
  Object.assign(option, { yAxis: names(texts), xAxis: { type: "value", show: false, min: 0 } });
  Object.assign(option.tooltip, { trigger: "item", formatter: (p) => noted(`${p.name}  ${show(p.value, unit)}`, items[p.dataIndex].how) });
  option.series = [{
    type: "bar", barMaxWidth: 18, itemStyle: { borderRadius: [0, 3, 3, 0] },
    data: items.map(({ key, value }) => ({ value, itemStyle: { color: tone(key === OTHER ? 8 : 0), opacity: faded(key) ? 0.35 : 1 } })),
    label: { show: true, position: "right", color: ink("ink"), fontSize: 12, formatter: (p) => show(p.value, unit, true) },
  }];
  return {
    option, unit, note, head: [NAMES[by], measure === "value" ? title : measure], rows: items.map((item, at) => [texts[at], item.value]),
    legend: [], say: `highest: ${texts[0]}`, height: items.length * 27 + 12,
  };
}

function funnel(metric, spec) {
  const got = answer(metric, spec.grain, spec.by), last = newest(got);
  if (nothing(last)) return null;
  const all = got.rows.map(({ row, key }) => ({ key: key[0], value: number(got.cube, "value", row, got.place.get(last)), how: "" }));
  const known = all.filter((item) => !nothing(item.value)), steps = known.filter((item) => item.key !== OTHER).sort((a, b) => (a.key < b.key ? -1 : 1));
  if (!steps.length) return null;
  const note = noted(windowText(last, got.grain), known.length > steps.length ? "further steps are hidden: too few accounts" : "");
  const drawn = bars(metric, spec, steps, note), share = (value) => value / steps[0].value;
  drawn.rows.forEach((row) => row.push(share(row[1])));
  drawn.head.push("of the first step");
  drawn.option.series[0].label.formatter = (p) => `${show(p.value, drawn.unit, true)}  ${percent(0).format(share(p.value))}`;
  drawn.option.grid.right = 92;
  return drawn;
}

function heatOption(xs, ys, points, unit) {
  const values = points.map((point) => point[2]), option = frame(unit, xs);
  Object.assign(option.grid, { top: 6, right: 6 });
  option.yAxis = names(ys);
  Object.assign(option.tooltip, { trigger: "item", formatter: (p) => `${ys[p.value[1]]}, ${xs[p.value[0]]}\n${show(p.value[2], unit)}` });
  option.visualMap = { show: false, min: Math.min(0, ...values), max: Math.max(...values), inRange: { color: [ink("low"), ink("high")] } };
  option.series = [{ type: "heatmap", data: points, itemStyle: { borderColor: ink("card"), borderWidth: 2, borderRadius: 3 } }];
  return option;
}

function heat(metric, { by, grain }) {
  const { unit, title } = METRICS[metric], [down, across] = by.split(",");
  const got = part(metric, grain, by, [down, across], [], ""), last = newest(got);
  if (nothing(last)) return null;
  const whole = got.rows.map(({ row, key }) => [...key, number(got.cube, "value", row, got.place.get(last))]).filter((cell) => !nothing(cell[2]));
  const rest = whole.find((cell) => cell[0] === OTHER), shown = whole.filter((cell) => cell !== rest);
  if (!shown.length) return null;
  const sum = (at, key) => add(shown.filter((cell) => cell[at] === key).map((cell) => cell[2]));
  const largest = (at, most) => [...new Set(shown.map((cell) => cell[at]))].sort((a, b) => sum(at, b) - sum(at, a)).slice(0, most);
  const ys = largest(0, 12), xs = largest(1, 8);
  const points = shown.map(([a, b, value]) => [xs.indexOf(b), ys.indexOf(a), value]).filter(([x, y]) => x >= 0 && y >= 0);
  const option = heatOption(xs.map((key) => label(across, key)), ys.map((key) => label(down, key)), points, unit);
  option.series[0].label = { show: innerWidth > 600 || xs.length < 5, formatter: (p) => show(p.value[2], unit, true), fontSize: 11 };
  Object.assign(option.xAxis.axisLabel, { interval: 0, fontSize: 11 });
  return {
    option, unit, note: noted(`${windowText(last, grain)}, rounded to 10`, rest ? `${show(rest[2], unit)} more in cells too small to show` : ""),
    head: [NAMES[down], NAMES[across], title], rows: whole.map(([a, b, value]) => [label(down, a), label(across, b), value]),
    legend: [], say: `${ys.length} by ${xs.length} cells`,
  };
}

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
function hours(metric) {
  const { unit } = METRICS[metric], got = part(metric, "day", "hour", ["hour"], [], "");
  const starts = got ? windows(got, state.from, state.to) : [];
  const mean = (row, weekday) => {
    const values = starts.filter((day) => (days(day).getUTCDay() + 6) % 7 === weekday).map((day) => number(got.cube, "value", row, got.place.get(day))).filter((value) => !nothing(value));
    return Math.round((add(values) / values.length) * 10) / 10;
  };
  const named = got ? got.rows.filter(({ key }) => key[0] !== OTHER) : [];
  const points = named.flatMap(({ row, key }) => WEEKDAYS.map((_, day) => [Number(key[0]), day, mean(row, day)])).filter((point) => !nothing(point[2]));
  if (!points.length) return null;
  const xs = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0"));
  const [hour, day, value] = points.reduce((best, point) => (point[2] > best[2] ? point : best)), busiest = `${WEEKDAYS[day]} ${xs[hour]}:00`;
  return {
    option: heatOption(xs, WEEKDAYS, points, unit), unit, legend: [], say: `busiest ${busiest}`,
    note: `Mean of the range's days, UTC. Busiest: ${busiest} with ${show(value, unit)}.`,
    head: ["Weekday", "Hour", "Mean"], rows: points.map(([hour, day, value]) => [WEEKDAYS[day], `${xs[hour]}:00`, value]),
  };
}

function map(metric, spec) {
  const drawn = rank(metric, spec), { got, items } = cells(metric, spec);
  const data = items.filter(({ key, value }) => /^[A-Z]{2}$/.test(key) && key !== "ZZ" && value).map(({ key, value }) => ({ name: key, value }));
  if (!data.length) return null;
  const { unit } = drawn, values = data.map((item) => item.value), least = Math.min(...values), most = Math.max(...values, least + 1);
  const { tooltip, textStyle } = frame(unit, null), option = { animation: false, tooltip, textStyle };
  // Territories without a country code have a name that begins with a tilde.
  const name = (key) => (/^[A-Z]{2}$/.test(key) ? country.of(key) : key.slice(1));
  Object.assign(tooltip, { trigger: "item", formatter: (p) => `${name(p.name)}  ${nothing(p.value) ? "no data or hidden" : show(p.value, unit)}` });
  option.visualMap = {
    type: "continuous", min: least, max: most, left: 8, bottom: 8, itemHeight: 90, itemWidth: 12, text: [most, least].map((value) => show(value, unit, true)),
    textStyle: { color: ink("soft") }, inRange: { color: [ink("low"), ink("high")] }, calculable: false, hoverLink: false,
  };
  option.series = [{
    type: "map", map: "world", aspectScale: 1, left: 0, right: 0, top: 4, bottom: 4, selectedMode: false, data,
    itemStyle: { areaColor: ink("none"), borderColor: ink("card"), borderWidth: 0.6 }, emphasis: { label: { show: false }, itemStyle: { areaColor: tone(2) } },
  }];
  return { ...drawn, option, note: windowText(newest(got), got.grain), say: `${data.length} countries`, height: 0 };
}
const DRAW = { trend, stack, rank, funnel, heat, hours, map };

// ---- page: nodes, cards, tiles, tables ---------------------------------------------------------
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

// Why a figure is missing: in short, in words, and the command to run.
function reason(entry, grain) {
  if (!D.run || !entry) return ["No data yet", "Publish the closed days of the lake:", "telemetry rollup"];
  if (!D.status.oldest_day) return ["No data yet", "The lake holds no events:", "telemetry run"];
  if (!entry.collected) return ["Not collected", "The events do not carry this field."];
  if (entry.kind === "fact") return [cutsOf(entry.name, grain).length ? "None" : "Nothing counted", "The pipeline has counted nothing of this kind in these days."];
  if (grain === "day" || cutsOf(entry.name, grain).length) return [`Fewer than ${D.rule.accounts} accounts: hidden`, "No cell of this chart passes the gate in these days."];
  const name = grain === "period" ? "key period" : grain;
  return [`No whole ${name} yet`, `Published once all ${SPAN[grain]} days of a ${name} are closed, if enough accounts are in it:`, "telemetry rollup"];
}

function csv(drawn, name) {
  const cell = (value) => {
    const text = nothing(value) ? "" : typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const text = [drawn.head, ...drawn.rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: `${name}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function table({ head, rows, unit, fact }, caption) {
  const cell = (value, at) => {
    if (nothing(value)) return fact || head[at] === "Before" ? "–" : "hidden";
    return typeof value === "number" ? show(value, head[at] === "of the first step" ? "ratio" : unit) : value;
  };
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `Table: ${caption}` }, h("table", {}, h("caption", { class: "sr" }, caption),
    h("thead", {}, h("tr", {}, ...head.map((text) => h("th", { scope: "col" }, text[0].toUpperCase() + text.slice(1))))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((value, at) => h("td", {}, cell(value, at))))))));
}

function card(spec) {
  const { draw: kind, metric, by, grain = "day" } = spec, entry = METRICS[metric];
  const title = spec.title ?? entry?.title ?? metric;
  const drawn = entry?.collected && D.run ? DRAW[kind](metric, spec) : null;
  const note = drawn?.note;
  const head = h("header", {}, h("div", {}, h("h3", {}, title), h("p", { class: "what" }, entry ? `${entry.sentence} ${entry.caveat}` : ""),
    note ? h("p", { class: "note" }, note.startsWith("Not published") ? h("b", {}, note) : note) : ""));
  const box = h("section", { class: `card${spec.wide ? " wide" : ""}`, "aria-label": title, "data-metric": metric, "data-kind": kind }, head);
  if (!drawn) {
    const [brief, words, command] = reason(entry, grain);
    box.append(h("div", { class: "empty" }, h("strong", {}, brief), words, command ? h("code", {}, command) : ""));
    return box;
  }
  let shown = null;
  const toggle = (event) => {
    if (shown) { shown.remove(); shown = null; } else box.append((shown = table(drawn, title)));
    event.currentTarget.setAttribute("aria-expanded", String(Boolean(shown)));
  };
  head.append(h("div", { class: "tools" },
    h("button", { type: "button", "aria-expanded": "false", "aria-label": `Table: ${title}`, on: { click: toggle } }, "Table"),
    h("button", { type: "button", "aria-label": `CSV: ${title}`, on: { click: () => csv(drawn, `${metric}${by ? "-by-" + by.replace(",", "-") : ""}`) } }, "CSV")));
  if (drawn.legend.length) box.append(h("div", { class: "legend", "aria-hidden": true }, ...drawn.legend.map(([text, key]) => h("span", {}, h("i", { class: key }), text))));
  const marked = (drawn.option.series[0].markLine?.data ?? []).map(({ xAxis, label }) => `${label.formatter} on ${drawn.option.xAxis.data[xAxis]}. `);
  const plot = h("div", { class: `plot${kind === "map" ? " tall" : drawn.height ? " list" : ""}`, role: "img", "aria-label": `${title}: ${drawn.say}. ${marked.join("")}The table holds the figures.` });
  if (drawn.height) plot.style.height = `${drawn.height}px`; // A list is as high as it is long.
  box.append(plot);
  live.set(plot, { chart: null, option: drawn.option, again: () => DRAW[kind](metric, spec).option });
  return box;
}

function tile(text) {
  const [metric, measure = "value"] = text.split(" "), entry = METRICS[metric];
  const box = h("div", { class: "tile", "data-metric": text }, h("h3", {}, noted(entry?.title ?? metric, measure === "value" ? "" : measure).replace(" · ", ", ")));
  const grain = Object.keys(SPAN).find((size) => cutsOf(metric, size).length) ?? /^(week|period):/.exec(entry?.tables)?.[1] ?? "day";
  const cuts = cutsOf(metric, grain), got = entry && answer(metric, grain, isFact(metric) && !cuts.includes("") ? cuts[0] : "");
  const over = (from, to) => (got?.rows.length ? total(metric, got, measure, from, to) : { value: null });
  const now = over(state.from, got && isFact(metric) ? range(metric, grain)[1] : state.to);
  if (!D.run || nothing(now.value)) {
    box.append(h("p", { class: "number none" }, reason(entry, grain)[0]));
    return box;
  }
  const size = state.to - state.from + 1, old = over(state.from - size, state.from - 1);
  const [word, words] = grain === "period" ? ["", ""] : delta(metric, now.value, old.windows === now.windows ? old.value : null);
  const open = isFact(metric) && windows(got, ...range(metric, grain)).some((day) => isOpen(metric, day));
  box.append(h("p", { class: "number", "data-value": now.value }, show(now.value, entry.unit, true)),
    h("p", {}, noted(now.how + (open ? ", the last still open" : ""), got.note)),
    entry.caveat && entry.kind !== "accounts" ? h("p", { class: "caveat" }, entry.caveat) : "", h("p", { class: word ? `delta ${word}` : "" }, words));
  return box;
}

function toolbar() {
  const page = state.page.name, option = (value, text) => h("option", { value }, text);
  $("pages").replaceChildren(...PAGES.map((one) => h("li", {}, h("a", { href: hashFor({ page: one }), "aria-current": one.name === page ? "page" : undefined }, one.title))));
  $("presets").replaceChildren(...[7, 28, 90].map((size) => h("button", { type: "button", "aria-pressed": String(size === state.preset), on: { click: () => go({ preset: size }) } }, String(size))));
  $("bar").hidden = page === "definitions" || !D.run;
  for (const id of D.last_day ? ["from", "to"] : []) Object.assign($(id), { min: D.first_day, max: D.last_day, value: iso(state[id]) });
  const members = (name) => {
    const tables = Object.entries(D.tables).filter(([key]) => key.endsWith(`|day|${name}`)).map(([, found]) => found);
    return [...new Set(tables.flatMap(({ keys }) => keys.map(([key]) => key)))].filter((key) => key !== OTHER).sort();
  };
  const full = state.filters.length >= 2, dimension = $("dimension"), member = $("member");
  const open = full ? [] : FILTERS.filter((name) => !state.filters.some(([other]) => other === name) && members(name).length);
  dimension.replaceChildren(option("", full ? "Two at most" : "Everything"), ...open.map((name) => option(name, NAMES[name])));
  dimension.disabled = full;
  dimension.onchange = () => {
    const name = dimension.value;
    member.disabled = !name;
    member.replaceChildren(...(name ? [option("", "Choose"), ...members(name).map((key) => option(key, label(name, key)))] : []));
  };
  dimension.onchange();
  member.onchange = () => member.value && go({ filters: [...state.filters, [dimension.value, member.value]] });
  const chip = ([name, value]) => h("button", {
    type: "button", "aria-label": `Remove filter ${NAMES[name]} ${label(name, value)}`, on: { click: () => go({ filters: state.filters.filter(([other]) => other !== name) }) },
  }, `${NAMES[name]}: ${label(name, value)} ×`);
  $("chips").replaceChildren(...state.filters.map((filter) => h("li", {}, chip(filter))));
}

function banner() {
  const lines = D.notice ? [["stop", D.notice]] : [], stale = Math.floor((Date.now() - (LAST + 1) * DAY) / 36e5);
  if (!D.run) lines.push(["", "Nothing is published yet. Run the pipeline, then telemetry rollup, then telemetry dashboard build."]);
  else if (!D.status.oldest_day) lines.push(["", "The lake holds no events yet: start with telemetry run."]);
  else if (!D.last_day) lines.push(["", `Nothing passes the gate yet: a figure needs ${D.rule.accounts} accounts in a closed day.`]);
  else if (stale >= 50) lines.push(["stop", `These figures are old: the last day shown ended ${plain.format(stale)} hours ago.`]);
  else if (stale >= 26) lines.push(["", `The last day shown ended ${stale} hours ago; a day is normally published within 26 hours.`]);
  $("banner").replaceChildren(...lines.map(([kind, text]) => h("p", { class: kind }, text)));
}

// Charts by their plot. They are made after layout, and follow it in the next frame: by then the
// page may have been drawn anew, so a plot is looked up again, and one without size waits.
const live = new Map();
function fit(plot) {
  const one = live.get(plot);
  if (!one || !plot.clientWidth || !plot.clientHeight) return;
  if (!one.chart) {
    one.chart = echarts.init(plot, null, { renderer: "canvas" });
    one.chart.setOption(one.option);
    performance.mark("chart");
  } else if (one.chart.getWidth() !== plot.clientWidth || one.chart.getHeight() !== plot.clientHeight) one.chart.resize();
}
const watcher = new ResizeObserver((entries) => requestAnimationFrame(() => entries.forEach(({ target }) => fit(target))));

function draw() {
  const began = performance.now();
  readHash(); watcher.disconnect();
  live.forEach(({ chart }) => chart?.dispose()); live.clear();
  toolbar(); banner();
  const { name, title, lead, tiles, charts } = state.page, credit = D.status.geo?.credit;
  document.title = `${title} · Usage`; $("title").textContent = title; $("lead").textContent = lead;
  $("range-note").textContent = D.last_day ? `Closed days to ${longDay.format(days(LAST))}, UTC · groups of ${D.rule.accounts} accounts or more` : "";
  $("tiles").replaceChildren(...tiles.map(tile));
  $("charts").replaceChildren(...charts.map(card));
  document.querySelectorAll("#fixed > *").forEach((part) => { part.hidden = part.dataset.page !== name; });
  $("credit").textContent = `${credit ? credit + " " : ""}Map: Natural Earth.`;
  live.forEach((_, plot) => { fit(plot); watcher.observe(plot); });
  Object.assign(document.documentElement.dataset, { drawn: Math.round(performance.now() - began), page: name });
}

const dark = matchMedia("(prefers-color-scheme: dark)"), paper = matchMedia("print"), choice = $("theme");
function theme() {
  document.documentElement.dataset.theme = paper.matches ? "light" : choice.value || (dark.matches ? "dark" : "light");
  live.forEach((one) => { one.option = one.again(); one.chart?.setOption(one.option, { notMerge: true }); });
}
try { choice.value = localStorage.getItem("theme") ?? ""; } catch { /* a file without storage keeps the system's theme */ }
choice.addEventListener("change", () => {
  try { localStorage.setItem("theme", choice.value); } catch { /* as above */ }
  theme();
});
for (const query of [dark, paper]) query.addEventListener("change", theme);
$("bar").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["from", "to"]) $(id).addEventListener("change", () => {
  const from = dayOf($("from").value), to = dayOf($("to").value);
  if (from && to && from <= to) go({ preset: 0, from, to });
});
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); });
addEventListener("hashchange", () => {
  const { page } = state; draw();
  if (page !== state.page) { scrollTo(0, 0); $("main").focus({ preventScroll: true }); }
});
theme(); draw();
})();
