// Draws the page from its data block. No framework, no request; all words about a metric come
// from the registry by way of the data. Sections: values, state, figures, charts, page.
"use strict";
(() => {
const $ = (id) => document.getElementById(id);
const D = JSON.parse($("data").textContent);
const METRICS = Object.fromEntries(D.metrics.map((m) => [m.name, m]));
const DAY = 864e5, EPOCH_ORIGIN = 19723; // 2024-01-01, a Monday
const SPAN = { day: 1, week: 7, period: D.epoch_days };
const NAMES = {
  model: "Model", region: "Region", plan: "Plan", country: "Country", client_family: "Client", os_family: "System",
  device_class: "Device", route: "Route", connection_type: "Connection", protocol: "Protocol", account_age: "Account age, days",
  error_code: "Error code", component: "Component", end_reason: "End", feature: "Feature", sdk: "SDK", sdk_version: "Version",
  state: "State", step: "Step", hour: "Hour", field: "Column", schema: "Schema", reason: "Reason", event: "Event",
  active_days: "Days active", features_used: "Features used", referrer_class: "Referrer",
};
const FILTERS = ["model", "region", "plan", "country", "client_family", "os_family", "device_class", "route", "connection_type"];
const PAGES = {
  overview: ["Overview", "How much the platform is used, and by how many accounts.",
    ["requests", "active_day", "active_week", "sessions", "availability", "latency p95"], [
      ["trend", "requests", { wide: 1 }], ["trend", "active_day"], ["trend", "active_week", { grain: "week" }],
      ["stack", "requests", { by: "model" }], ["rank", "requests", { by: "plan" }],
      ["stack", "lifecycle", { by: "state", grain: "week" }], ["trend", "retention_week", { grain: "week" }],
      ["rank", "activity_days", { by: "active_days", grain: "period", ordered: 1 }], ["trend", "active_period", { grain: "period" }]]],
  health: ["API health", "Whether the API answers, and how fast.",
    ["availability", "http_5xx_rate", "http_4xx_rate", "throttled_rate", "latency p50", "latency p95"], [
      ["trend", "latency", { wide: 1 }], ["trend", "http_5xx_rate"], ["trend", "throttled_rate"],
      ["rank", "http_5xx_rate", { by: "model" }], ["rank", "latency", { by: "route", measure: "p95", tall: 1 }],
      ["stack", "top_errors", { by: "error_code" }], ["stack", "logged_errors", { by: "component" }],
      ["trend", "queue_time"], ["trend", "latency_errors"], ["trend", "http_4xx_rate"], ["trend", "bytes_out"]]],
  sessions: ["Sessions", "Whether streams start, run smoothly and end well.",
    ["sessions", "session_minutes", "session_duration p50", "start_success", "first_frame p50", "abnormal_end_rate"], [
      ["trend", "sessions"], ["trend", "session_minutes"], ["trend", "first_frame"], ["trend", "start_success"],
      ["hours", "concurrency", { wide: 1 }], ["trend", "session_duration"], ["stack", "end_reasons", { by: "end_reason" }],
      ["trend", "abnormal_end_rate"], ["trend", "freeze_ratio"], ["rank", "sessions", { by: "connection_type" }],
      ["rank", "round_trip", { by: "region", measure: "p50" }], ["trend", "packet_loss"], ["trend", "frame_rate"]]],
  adoption: ["Adoption", "Which features are found, used and kept.",
    ["feature_uses", "active_week", "retention_week", "stickiness"], [
      ["rank", "feature_adoption", { by: "feature", grain: "week", skip: "(none)" }], ["funnel", "adoption_funnel", { by: "step", grain: "week" }],
      ["stack", "feature_uses", { by: "feature" }], ["rank", "feature_depth", { by: "feature", grain: "week" }],
      ["rank", "feature_breadth", { by: "features_used", grain: "week", ordered: 1 }], ["heat", "feature_uses", { by: "feature,plan", grain: "week" }]]],
  audience: ["Audience", "Where accounts are and what they use. One dimension a day; two only per week.",
    [], [
      ["map", "accounts_by_country", { by: "country", grain: "week", wide: 1 }],
      ["rank", "accounts_by_country", { by: "country", grain: "week", tall: 1 }], ["rank", "accounts_by_client", { by: "client_family", grain: "week", tall: 1 }],
      ["rank", "accounts_by_client", { by: "os_family", grain: "week" }], ["rank", "accounts_by_client", { by: "device_class", grain: "week" }],
      ["heat", "accounts_by_country", { by: "country,device_class", grain: "week", tall: 1 }], ["heat", "accounts_by_client", { by: "client_family,os_family", grain: "week", tall: 1 }],
      ["rank", "accounts_by_sdk", { by: "sdk", grain: "week" }], ["heat", "accounts_by_sdk", { by: "sdk,sdk_version", grain: "week" }],
      ["rank", "connections", { by: "connection_type", grain: "week" }], ["rank", "referrers", { by: "referrer_class", grain: "week" }]]],
  quality: ["Data quality and privacy", "Whether the figures can be trusted, and whether the promises hold.",
    ["completeness", "opt_out_rate", "rejected", "duplicate"], [
      ["facts", "expiry_proof"], ["hidden", "suppressed"], ["trend", "completeness"], ["stack", "rejected", { by: "reason" }],
      ["stack", "dropped", { by: "reason" }], ["trend", "opt_out_rate"], ["rank", "unknown_share", { by: "field" }],
      ["stack", "schema_mix", { by: "schema" }], ["stack", "late", { by: "event" }], ["stack", "duplicate", { by: "event" }]]],
  definitions: ["Definitions", "Every figure of this page in words, and the SQL that it is computed with.", [], [["definitions", ""]]],
};

// ---- values: numbers and dates as people read them -------------------------------------------
const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const percent = (digits) => new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: digits });
const dayText = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short" });
const longDay = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", weekday: "short", day: "numeric", month: "short", year: "numeric" });
const country = new Intl.DisplayNames("en", { type: "region" });
const days = (number) => new Date(number * DAY);
const iso = (number) => days(number).toISOString().slice(0, 10);
const dayOf = (text) => (text ? Math.round(Date.parse(text) / DAY) : null);
const nothing = (value) => value === null || value === undefined || Number.isNaN(value);

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
  if (dimension === "hour") return `${key}:00`;
  return { "(other)": "Other, merged", "(not reported)": "Not reported", "(none)": "None" }[key] ?? key;
}

// ---- state: page, range and filters live in the address's hash --------------------------------
const LAST = dayOf(D.last_day), FIRST = dayOf(D.first_day);
const state = { page: "overview", preset: 28, from: 0, to: 0, filters: [] };

function readHash() {
  const [page, query] = location.hash.slice(1).split("?");
  const words = new URLSearchParams(query);
  state.page = Object.hasOwn(PAGES, page) ? page : "overview";
  state.preset = [7, 28, 90].includes(Number(words.get("days"))) ? Number(words.get("days")) : 28;
  state.to = LAST; state.from = LAST - state.preset + 1;
  const from = dayOf(words.get("from")), to = dayOf(words.get("to"));
  if (from && to && from <= to) Object.assign(state, { preset: 0, from, to: Math.min(to, LAST) });
  if (state.from > state.to) state.from = state.to;
  state.filters = FILTERS.filter((name) => words.get(name)).slice(0, 2).map((name) => [name, words.get(name)]);
}

function hashFor(changes) {
  const next = { ...state, ...changes };
  const words = new URLSearchParams();
  if (next.preset) { if (next.preset !== 28) words.set("days", next.preset); }
  else { words.set("from", iso(next.from)); words.set("to", iso(next.to)); }
  next.filters.forEach(([name, value]) => words.set(name, value));
  return `#${next.page}${String(words) && "?" + words}`;
}
const go = (changes) => { location.hash = hashFor(changes); };

// ---- figures: which table answers, and what it says over a range -------------------------------
const cube = (metric, grain, cut) => D.tables[`${metric}|${grain}|${cut}`];

// The table of a metric cut by `by` and the active filters, or the nearest one with a note.
function answer(metric, grain, by = "") {
  const own = by ? by.split(",") : [];
  const wanted = state.filters.filter(([name]) => !own.includes(name));
  const dims = [...own, ...wanted.map(([name]) => name)];
  const cuts = dims.length === 2 ? [dims.join(), [dims[1], dims[0]].join()] : [dims.join()];
  for (const size of grain === "day" ? ["day", "week"] : [grain])
    for (const cut of cuts) {
      const found = cube(metric, size, cut);
      if (found && wanted.length) return result(found, size, cut, own, wanted, size === grain ? "" : "Two dimensions: published per week.");
      if (found) return result(found, size, cut, own, [], "");
    }
  const names = wanted.map(([name]) => NAMES[name].toLowerCase()).join(" and ");
  const found = cube(metric, grain, own.join());
  const note = wanted.length ? `Not published by ${[...own.map((d) => NAMES[d].toLowerCase()), names].join(" and ")}: all are shown.` : "";
  return result(found, grain, own.join(), own, [], note);
}

function result(found, grain, cut, own, wanted, note) {
  if (!found) return null;
  const names = cut ? cut.split(",") : [];
  const rows = found.keys.map((key, row) => ({ row, key }))
    .filter(({ key }) => wanted.every(([name, value]) => key[names.indexOf(name)] === value))
    .map(({ row, key }) => ({ row, key: own.map((name) => key[names.indexOf(name)]) }));
  return { cube: found, grain, rows, note, filtered: wanted.length > 0 };
}

function number(found, measure, row, column) {
  if (found[measure]) return found[measure][row][column];
  if (measure !== "value" || !found.numerator) return null;
  const above = found.numerator[row][column], below = found.denominator[row][column];
  return nothing(below) || !below ? null : above / below;
}

// Windows that lie in the range: the column numbers of a table, by their last day.
function columns(found, grain, from, to) {
  return found.at.map((day, column) => [day + SPAN[grain] - 1, column]).filter(([end]) => end >= from && end <= to).map(([, column]) => column);
}

// One number for a range. Says how it was made, because unique people and quantiles do not add up.
function summary(metric, got, row, measure, from, to) {
  const found = got.cube, kind = METRICS[metric].kind;
  const cols = columns(found, got.grain, from, to).filter((column) => !nothing(number(found, measure, row, column)));
  if (!cols.length) return { value: null, how: "", windows: 0 };
  const values = cols.map((column) => number(found, measure, row, column));
  const add = (list) => list.reduce((sum, value) => sum + value, 0);
  const many = `${cols.length} ${got.grain}${cols.length > 1 ? "s" : ""}`;
  if (measure !== "value") return { value: [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)], how: `median of ${many}`, windows: cols.length };
  if (found.numerator) return { value: add(cols.map((c) => found.numerator[row][c])) / add(cols.map((c) => found.denominator[row][c])), how: `over ${many}`, windows: cols.length };
  if (["count", "sum", "fact"].includes(kind)) return { value: add(values), how: `in ${many}`, windows: cols.length };
  if (got.grain === "day") return { value: add(values) / values.length, how: `mean of ${many}`, windows: cols.length };
  return { value: values.at(-1), how: `${got.grain} from ${dayText.format(days(found.at[cols.at(-1)]))}`, windows: 1 };
}

function previous(from, to) { return [from - (to - from + 1), from - 1]; }

function delta(metric, now, before) {
  const { good, unit } = METRICS[metric];
  if (nothing(before) || nothing(now)) return ["", "No earlier period to compare with"];
  const change = before === 0 ? (now === 0 ? 0 : 1) : (now - before) / Math.abs(before);
  const points = unit === "ratio", size = points ? `${plain.format(Math.abs(now - before) * 100)} pp` : percent(1).format(Math.abs(change));
  if (Math.abs(change) < 0.01) return ["", "= about the same as before"];
  const up = now > before, better = good === "neither" ? "" : (good === "up") === up ? "better" : "worse";
  return [better, `${up ? "▲ +" : "▼ −"}${points && size === "0 pp" ? "<0.1 pp" : size}${better && ", " + better}`];
}

// ---- charts: each returns { option, head, rows, legend, say } or null for an empty state ------
let ink = {};
function inks() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  ink = { series: [0, 1, 2, 3, 4, 5, 6, 7, 8].map((n) => read(`c${n}`)) };
  for (const name of ["ink", "soft", "grid", "axis", "card", "line", "before", "low", "high", "none", "bad"]) ink[name] = read(name);
}
const FONT = { fontFamily: "system-ui, -apple-system, Segoe UI, Roboto, Noto Sans, Liberation Sans, sans-serif" };

function frame(unit, xs, extra = {}) {
  return {
    animation: false, textStyle: { ...FONT, color: ink.soft, fontSize: 12 }, aria: { enabled: false },
    grid: { left: 4, right: 14, top: 24, bottom: 2, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    tooltip: { trigger: "axis", renderMode: "richText", confine: true, backgroundColor: ink.card, borderColor: ink.line, borderWidth: 1,
      padding: 10, textStyle: { color: ink.ink, fontSize: 12.5 }, axisPointer: { type: "line", lineStyle: { color: ink.axis, type: "solid", opacity: 0.5 } } },
    xAxis: { type: "category", data: xs, axisTick: { show: false }, axisLine: { lineStyle: { color: ink.line } }, axisLabel: { color: ink.axis, hideOverlap: true } },
    yAxis: { type: "value", splitNumber: 4, axisLabel: { color: ink.axis, formatter: (value) => show(value, unit, true) }, splitLine: { lineStyle: { color: ink.grid } } },
    ...extra,
  };
}

// Dashed lines: borders of key periods on charts of people; marked days on every time axis.
function marks(metric, starts, grain) {
  const people = ["accounts", "share", "per_account"].includes(METRICS[metric].kind) || metric === "retention_week";
  const lines = [];
  starts.forEach((day, at) => {
    if (people && grain !== "period" && at > 0 && (day - EPOCH_ORIGIN) % D.epoch_days === 0)
      lines.push({ xAxis: at, lineStyle: { type: "dashed", color: ink.axis }, label: { formatter: "new key period" } });
    D.annotations.filter((note) => dayOf(note.day) >= day && dayOf(note.day) < day + SPAN[grain]).forEach((note) =>
      lines.push({ xAxis: at, lineStyle: { type: "dotted", color: note.kind === "incident" ? ink.bad : ink.axis }, label: { formatter: note.kind === "note" ? note.text : note.kind } }));
  });
  lines.sort((a, b) => a.xAxis - b.xAxis);
  const crowded = (at) => at > 0 && lines[at].xAxis - lines[at - 1].xAxis < starts.length * (innerWidth < 600 ? 0.26 : 0.08);
  lines.forEach((line, at) => Object.assign(line.label, { show: !crowded(at), position: line.xAxis > starts.length * 0.8 ? "insideEndBottom" : "end", color: ink.soft, fontSize: 11, rotate: 0, distance: 4 }));
  return { silent: true, symbol: "none", data: lines };
}
const notesOn = (day, grain) => D.annotations.filter((note) => dayOf(note.day) >= day && dayOf(note.day) < day + SPAN[grain]).map((note) => `\n◆ ${note.kind}: ${note.text}`).join("");
const windowText = (day, grain) => (grain === "day" ? longDay.format(days(day)) : `${dayText.format(days(day))} – ${longDay.format(days(day + SPAN[grain] - 1))}`);

function timeAxis(starts) {
  const each = starts.length <= 10 ? () => true : (at) => new Date(starts[at] * DAY).getUTCDay() === 1 && (starts.length < 50 || Math.round((starts[at] - EPOCH_ORIGIN) / 7) % 2 === 0);
  return { interval: (at) => each(at) };
}

// Weeks and periods are few: show at least the last eight. Counts of the pipeline itself go on
// into the day that is still open, which is drawn hatched.
function range(metric, got, from = state.from, to = state.to) {
  if (METRICS[metric].kind === "fact" && to === LAST) return [from, to + 3];
  return got.grain === "day" ? [from, to] : [Math.min(from, to - 8 * SPAN[got.grain] + 1), to];
}
function hatched(colour) {
  const tile = Object.assign(document.createElement("canvas"), { width: 6, height: 6 }), pen = tile.getContext("2d");
  pen.strokeStyle = colour; pen.lineWidth = 1.6;
  for (const shift of [-6, 0, 6]) { pen.moveTo(shift, 6); pen.lineTo(shift + 6, 0); }
  pen.stroke();
  return { image: tile, repeat: "repeat" };
}

function trend(metric, { grain = "day" }) {
  const got = answer(metric, grain), { unit, title } = METRICS[metric];
  if (!got || !got.rows.length) return null;
  const { row } = got.rows[0], found = got.cube, [from, to] = range(metric, got);
  const cols = columns(found, got.grain, from, to), starts = cols.map((column) => found.at[column]);
  const measures = ["p50", "p90", "p95", "p99"].filter((name) => found[name]);
  const lines = (measures.length ? measures : ["value"]).map((name) => ({ name: name === "value" ? title : name, measure: name, data: cols.map((column) => number(found, name, row, column) ?? null) }));
  if (lines.every((line) => line.data.every(nothing))) return null;
  const size = to - from + 1, old = new Map(found.at.map((day, column) => [day, column]));
  const compare = lines.length === 1 && got.grain === "day" ? starts.map((day) => (old.has(day - size) ? number(found, lines[0].measure, row, old.get(day - size)) : null)) : [];
  const hasOld = compare.some((value) => !nothing(value));
  const xs = starts.map((day) => dayText.format(days(day))), sparse = starts.length < 12;
  const base = unit === "ratio" && lines.some((line) => Math.min(...line.data.filter((v) => !nothing(v))) > 0.5);
  const series = lines.map((line, at) => ({ type: "line", name: line.name, data: line.data, showSymbol: sparse, symbolSize: 6, lineStyle: { width: 2 }, color: ink.series[at],
    areaStyle: lines.length === 1 && !base ? { opacity: 0.07 } : undefined, markLine: at ? undefined : marks(metric, starts, got.grain) }));
  if (hasOld) series.push({ type: "line", name: "Before", data: compare, showSymbol: false, color: ink.before, lineStyle: { width: 1.5, type: "dashed" } });
  const option = frame(unit, xs);
  option.xAxis.axisLabel = { ...option.xAxis.axisLabel, ...timeAxis(starts) };
  option.xAxis.boundaryGap = starts.length < 2;
  if (base) Object.assign(option.yAxis, { min: (range) => Math.max(0, Math.floor((range.min - (1 - range.min) * 0.3) * 200) / 200), max: 1, axisLabel: { ...option.yAxis.axisLabel, showMinLabel: false } });
  if (unit === "s") { // Minutes and hours have other round numbers than tens.
    const most = Math.max(...lines.flatMap((line) => line.data)), step = [5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200].find((size) => size * 5 >= most) ?? 14400;
    Object.assign(option.yAxis, { interval: step, max: Math.ceil(most / step) * step });
  }
  option.tooltip.formatter = (points) => windowText(starts[points[0].dataIndex], got.grain) + points.map((p) => `\n${p.seriesName}  ${show(p.value, unit)}`).join("") + notesOn(starts[points[0].dataIndex], got.grain);
  option.series = series;
  return {
    option, grain: got.grain, note: got.note,
    head: [got.grain, ...lines.map((line) => line.name), ...(hasOld ? ["Before"] : [])],
    rows: starts.map((day, at) => [iso(day), ...lines.map((line) => line.data[at]), ...(hasOld ? [compare[at]] : [])]), unit,
    legend: lines.length > 1 ? lines.map((line, at) => [line.name, `s${at}`]) : hasOld ? [[title, "s0"], [`${size} days before`, "dash"]] : [],
    say: `${lines[0].name} from ${show(lines[0].data.find((v) => !nothing(v)), unit)} to ${show(lines[0].data.findLast((v) => !nothing(v)), unit)}`,
  };
}

function stack(metric, { by, grain = "day" }) {
  const got = answer(metric, grain, by), { unit } = METRICS[metric];
  if (!got || !got.rows.length) return null;
  const found = got.cube, [from, to] = range(metric, got), cols = columns(found, got.grain, from, to);
  const starts = cols.map((column) => found.at[column]);
  const total = (row) => cols.reduce((sum, column) => sum + (number(found, "value", row, column) ?? 0), 0);
  const ordered = got.rows.map((item) => ({ ...item, total: total(item.row) })).filter((item) => item.total > 0).sort((a, b) => b.total - a.total);
  if (!ordered.length) return null;
  const main = ordered.filter((item) => item.key[0] !== "(other)").slice(0, 8), rest = ordered.filter((item) => !main.includes(item));
  const bands = main.map((item) => ({ name: label(by, item.key[0]), rows: [item.row] }));
  if (rest.length) bands.push({ name: rest.length === 1 ? label(by, rest[0].key[0]) : `${rest.length} more`, rows: rest.map((item) => item.row) });
  const value = (band, column) => band.rows.reduce((sum, row) => sum + (number(found, "value", row, column) ?? 0), 0);
  const option = frame(unit, starts.map((day) => dayText.format(days(day))));
  option.xAxis.axisLabel = { ...option.xAxis.axisLabel, ...timeAxis(starts) };
  option.tooltip.axisPointer = { type: "shadow" };
  option.tooltip.formatter = (points) => windowText(starts[points[0].dataIndex], got.grain) + [...points].reverse().filter((p) => p.value).map((p) => `\n${p.seriesName}  ${show(p.value, unit)}`).join("") + notesOn(starts[points[0].dataIndex], got.grain);
  const tone = (at) => (rest.length && at === bands.length - 1 ? 8 : at);
  option.series = bands.map((band, at) => ({ type: "bar", stack: "all", name: band.name, color: ink.series[tone(at)], barCategoryGap: "22%", barMaxWidth: 64, data: cols.map((column, place) => (METRICS[metric].kind === "fact" && starts[place] > LAST ? { value: value(band, column), itemStyle: { color: hatched(ink.series[tone(at)]) } } : value(band, column))), markLine: at ? undefined : marks(metric, starts, got.grain),
    itemStyle: { borderColor: ink.card, borderWidth: starts.length < 40 ? 0.5 : 0 } }));
  return { option, unit, grain: got.grain, note: got.note, head: [got.grain, ...bands.map((band) => band.name)], rows: starts.map((day, at) => [iso(day), ...bands.map((band) => value(band, cols[at]))]),
    legend: bands.map((band, at) => [band.name, `s${tone(at)}`]), say: `largest: ${bands[0].name}` };
}

const place = (key) => { const first = parseInt(key, 10); return Number.isNaN(first) ? 99 : first; };

function rank(metric, { by, grain = "day", measure = "value", ordered, skip, latest }) {
  const got = answer(metric, grain, by), { unit, kind } = METRICS[metric];
  if (!got) return null;
  const [from, to] = latest ? [state.to - SPAN[got.grain] + 1, state.to] : range(metric, got);
  let items = got.rows.map(({ row, key }) => ({ key: key[0], ...summary(metric, got, row, measure, from, to) })).filter((item) => !nothing(item.value) && item.key !== skip);
  if (!items.length) return null;
  const most = items.reduce((best, item) => (item.windows > best.windows ? item : best)), uneven = items.some((item) => item.windows < most.windows);
  const how = kind === "count" && !latest ? "" : most.how, gaps = uneven ? "a row counts only on the days on which it could be shown" : "";
  items.sort(ordered ? (a, b) => place(a.key) - place(b.key) : (a, b) => (a.key === "(other)") - (b.key === "(other)") || b.value - a.value);
  const more = items.length - 14;
  if (more > 0) items = items.slice(0, 14);
  return bars(metric, by, items, [got.note, how, gaps, more > 0 ? `${more} smaller ${more > 1 ? "ones are" : "one is"} not drawn` : ""].filter(Boolean).join(" · "), got.grain, measure);
}

function bars(metric, by, items, note, grain, measure = "value") {
  const { unit } = METRICS[metric];
  const option = frame(unit, null);
  option.grid.right = 62; option.grid.top = 6;
  option.yAxis = { type: "category", inverse: true, data: items.map((item) => label(by, item.key)), axisTick: { show: false }, axisLine: { show: false }, axisLabel: { color: ink.ink, width: 168, overflow: "truncate" } };
  option.xAxis = { type: "value", show: false, min: 0 };
  option.tooltip.trigger = "item";
  option.tooltip.formatter = (p) => `${p.name}  ${show(p.value, unit)}${items[p.dataIndex].how && "\n" + items[p.dataIndex].how}`;
  option.series = [{ type: "bar", data: items.map((item) => ({ value: item.value, itemStyle: { color: item.key === "(other)" ? ink.series[8] : ink.series[0], opacity: state.filters.some(([n, v]) => n === by && v !== item.key) ? 0.35 : 1 } })), barMaxWidth: 18, itemStyle: { borderRadius: [0, 3, 3, 0] },
    label: { show: true, position: "right", color: ink.ink, fontSize: 12, formatter: (p) => show(p.value, unit, true) } }];
  option.yAxis.axisLabel.fontSize = 12;
  return { option, unit, grain, note, head: [NAMES[by], measure === "value" ? METRICS[metric].title : measure], rows: items.map((item) => [label(by, item.key), item.value]), legend: [], say: `highest: ${label(by, items[0].key)}`, height: items.length * 27 + 12 };
}

function funnel(metric, spec) {
  const got = answer(metric, spec.grain, spec.by), last = got && columns(got.cube, got.grain, -1e6, state.to).at(-1);
  if (last === undefined || last === null) return null;
  const steps = got.rows.map(({ row, key }) => [key[0], number(got.cube, "value", row, last)]).filter(([key, value]) => !nothing(value) && key !== "(other)").sort();
  if (!steps.length) return null;
  const drawn = bars(metric, spec.by, steps.map(([key, value]) => ({ key, value, how: "" })), windowText(got.cube.at[last], got.grain) + (got.rows.some(({ row, key }) => key[0] === "(other)" && !nothing(number(got.cube, "value", row, last))) ? " · further steps are hidden: too few accounts" : ""), got.grain);
  const top = drawn.rows[0][1];
  drawn.rows.forEach((row) => row.push(row[1] / top));
  drawn.head.push("of the first step");
  drawn.option.series[0].label.formatter = (p) => `${show(p.value, drawn.unit, true)}  ${percent(0).format(p.value / top)}`;
  drawn.option.grid.right = 92;
  return drawn;
}

function heatOption(xs, ys, cells, unit, x, y) {
  const values = cells.map((cell) => cell[2]);
  const option = frame(unit, xs);
  option.grid = { ...option.grid, top: 6, right: 6 };
  option.yAxis = { type: "category", data: ys, inverse: true, axisTick: { show: false }, axisLine: { show: false }, axisLabel: { color: ink.ink } };
  option.tooltip.trigger = "item";
  option.tooltip.formatter = (p) => `${ys[p.value[1]]}, ${xs[p.value[0]]}\n${show(p.value[2], unit)}`;
  option.visualMap = { show: false, min: Math.min(0, ...values), max: Math.max(...values), inRange: { color: [ink.low, ink.high] } };
  option.series = [{ type: "heatmap", data: cells, itemStyle: { borderColor: ink.card, borderWidth: 2, borderRadius: 3 } }];
  return option;
}

function heat(metric, { by, grain }) {
  const found = cube(metric, grain, by), { unit } = METRICS[metric], [down, across] = by.split(",");
  if (!found) return null;
  const column = columns(found, grain, -1e6, state.to).at(-1);
  if (column === undefined) return null;
  const whole = found.keys.map((key, row) => [...key, number(found, "value", row, column)]).filter((cell) => !nothing(cell[2]));
  const rest = whole.find((cell) => cell[0] === "(other)"), cells = whole.filter((cell) => cell !== rest);
  if (!cells.length) return null;
  const most = (at) => [...new Set(cells.map((cell) => cell[at]))].sort((a, b) => sum(at, b) - sum(at, a)).slice(0, at ? 8 : 12);
  const sum = (at, key) => cells.filter((cell) => cell[at] === key).reduce((total, cell) => total + cell[2], 0);
  const ys = most(0), xs = most(1);
  const points = cells.map(([a, b, v]) => [xs.indexOf(b), ys.indexOf(a), v]).filter(([a, b]) => a >= 0 && b >= 0);
  const option = heatOption(xs.map((key) => label(across, key)), ys.map((key) => label(down, key)), points, unit, across, down);
  option.series[0].label = { show: xs.length < 7, formatter: (p) => show(p.value[2], unit, true), fontSize: 11 };
  return { option, unit, grain, note: `${windowText(found.at[column], grain)}, rounded to 10.` + (rest ? ` ${show(rest[2], unit)} more in cells too small to show.` : ""), head: [NAMES[down], NAMES[across], METRICS[metric].title], rows: whole.map(([a, b, v]) => [label(down, a), label(across, b), v]), legend: [], say: `${ys.length} by ${xs.length} cells` };
}

function hours(metric) {
  const found = cube(metric, "day", "hour"), { unit } = METRICS[metric];
  if (!found) return null;
  const cols = columns(found, "day", state.from, state.to), names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
  const sums = new Map();
  found.keys.forEach(([hour], row) => cols.forEach((column) => {
    const value = number(found, "value", row, column), hourOfDay = parseInt(hour, 10);
    if (nothing(value) || Number.isNaN(hourOfDay)) return;
    const at = `${hourOfDay}|${(days(found.at[column]).getUTCDay() + 6) % 7}`, [sum, count] = sums.get(at) ?? [0, 0];
    sums.set(at, [sum + value, count + 1]);
  }));
  if (!sums.size) return null;
  const cells = [...sums].map(([at, [sum, count]]) => [...at.split("|").map(Number), Math.round((sum / count) * 10) / 10]);
  const xs = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0"));
  const peak = cells.reduce((best, cell) => (cell[2] > best[2] ? cell : best));
  return { option: heatOption(xs, names, cells, unit), unit, grain: "day", note: `Mean of the range's days, UTC. Busiest: ${names[peak[1]]} ${xs[peak[0]]}:00 with ${show(peak[2], unit)}.`, head: ["Weekday", "Hour", "Mean"], rows: cells.map(([hour, day, value]) => [names[day], `${xs[hour]}:00`, value]), legend: [], say: `busiest ${names[peak[1]]} ${xs[peak[0]]}:00` };
}

let worldKnown = false;
function map(metric, { by, grain }) {
  const drawn = rank(metric, { by, grain });
  if (!drawn) return null;
  if (!worldKnown) {
    const shapes = Object.entries(JSON.parse($("world").textContent)).map(([name, parts]) => ({
      type: "Feature", properties: { name },
      geometry: { type: "MultiPolygon", coordinates: parts.map((part) => part.map((ring) => ring.flatMap((x, at) => (at % 2 ? [] : [[x, -ring[at + 1]]])))) },
    }));
    echarts.registerMap("world", { type: "FeatureCollection", features: shapes });
    worldKnown = true;
  }
  const got = answer(metric, grain, by), [from, to] = range(metric, got);
  const data = got.rows.map(({ row, key }) => ({ name: key[0], ...summary(metric, got, row, "value", from, to) })).filter((item) => /^[A-Z]{2}$/.test(item.name) && item.name !== "ZZ" && item.value);
  if (!data.length) return null;
  const option = frame(drawn.unit, null);
  delete option.xAxis; delete option.yAxis; delete option.grid;
  const values = data.map((item) => item.value);
  option.tooltip.trigger = "item";
  option.tooltip.formatter = (p) => `${/^[A-Z]{2}$/.test(p.name) ? country.of(p.name) : p.name.slice(1)}  ${nothing(p.value) ? "no data or hidden" : show(p.value, drawn.unit)}`;
  option.visualMap = { type: "continuous", min: Math.log(Math.min(...values)), max: Math.log(Math.max(...values) + 1), dimension: 0, left: 8, bottom: 8, itemHeight: 90, itemWidth: 12, text: [show(Math.max(...values), drawn.unit, true), show(Math.min(...values), drawn.unit, true)], textStyle: { color: ink.soft }, inRange: { color: [ink.low, ink.high] }, calculable: false, hoverLink: false };
  option.series = [{ type: "map", map: "world", aspectScale: 1, left: 0, right: 0, top: 4, bottom: 4, selectedMode: false, itemStyle: { areaColor: ink.none, borderColor: ink.card, borderWidth: 0.6 }, emphasis: { label: { show: false }, itemStyle: { areaColor: ink.series[2] } },
    data: data.map((item) => ({ name: item.name, value: item.value })) }];
  option.visualMap.min = Math.min(...values); option.visualMap.max = Math.max(...values, option.visualMap.min + 1);
  return { ...drawn, option, note: `${windowText(got.cube.at[columns(got.cube, grain, from, to).at(-1)], grain)}`, say: `${data.length} countries` };
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
const live = new Map(); // plot element -> { chart, redraw }
const watcher = new ResizeObserver((entries) => entries.forEach(({ target }) => live.get(target)?.chart.resize()));

function why(metric, found) {
  if (!D.run) return h("div", { class: "empty" }, h("strong", {}, "No data yet"), "Publish the closed days of the lake:", h("code", {}, "telemetry rollup"));
  if (!D.status.oldest_day) return h("div", { class: "empty" }, h("strong", {}, "No data yet"), "The lake holds no events:", h("code", {}, "telemetry run"));
  if (!METRICS[metric].collected) return h("div", { class: "empty" }, h("strong", {}, "Not collected"), "The events do not carry this field.");
  if (METRICS[metric].kind === "fact") return h("div", { class: "empty" }, h("strong", {}, Object.keys(D.tables).some((name) => name.startsWith(`${metric}|`)) ? "None" : "Nothing counted"), "The pipeline has counted nothing of this kind in these days.");
  if (found !== "day" && !Object.keys(D.tables).some((name) => name.startsWith(`${metric}|${found}|`))) return h("div", { class: "empty" }, h("strong", {}, `No whole ${found === "period" ? "key period" : found} yet`), "Published once all its days are closed, if enough accounts are in it.");
  return h("div", { class: "empty" }, h("strong", {}, `Fewer than ${D.rule.accounts} accounts: hidden`), "No cell of this chart passes the gate in these days.");
}

function csv(drawn, name) {
  const cell = (value) => {
    if (nothing(value)) return "";
    const text = typeof value === "number" ? String(value) : /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const text = [drawn.head, ...drawn.rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: `${name}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function table(drawn, caption) {
  const cell = (value, at) => (at && typeof value === "number" ? show(value, drawn.head[at] === "of the first step" ? "ratio" : drawn.unit) : nothing(value) ? "hidden" : value);
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `Table: ${caption}` }, h("table", {}, h("caption", { class: "sr" }, caption),
    h("thead", {}, h("tr", {}, ...drawn.head.map((text) => h("th", { scope: "col" }, text[0].toUpperCase() + text.slice(1))))),
    h("tbody", {}, ...drawn.rows.map((row) => h("tr", {}, ...row.map((value, at) => h("td", {}, cell(value, at))))))));
}

function card([kind, metric, spec = {}], queue) {
  if (kind === "facts") return facts();
  if (kind === "hidden") return hidden();
  if (kind === "definitions") return definitions();
  const { title, sentence, caveat, collected } = METRICS[metric] ?? { title: metric, sentence: "", collected: true };
  const alone = !METRICS[metric]?.tables.includes("; ") || title.toLowerCase().includes((NAMES[spec.by] ?? "\n").toLowerCase());
  const by = spec.by && !alone ? ` by ${spec.by.split(",").map(low).join(" and ")}` : "";
  const name = (by ? title.replace(/ by .*$/, "") + by : title) + (spec.measure && spec.measure !== "value" ? `, ${spec.measure}` : "") + (kind === "map" ? ", map" : "");
  const drawn = collected && METRICS[metric] && D.run ? DRAW[kind](metric, spec) : null;
  const tools = h("div", { class: "tools" });
  const box = h("section", { class: `card${spec.wide ? " wide" : ""}`, "aria-label": name, "data-metric": metric, "data-kind": kind }, h("header", {}, h("div", {}, h("h3", {}, name), h("p", { class: "what" }, sentence, caveat ? ` ${caveat}` : ""),
    drawn?.note ? h("p", { class: "note" }, /^Not published/.test(drawn.note) ? h("b", {}, drawn.note) : drawn.note) : ""), tools));
  if (!drawn) { box.append(METRICS[metric] ? why(metric, spec.grain ?? "day") : h("div", { class: "empty" }, h("strong", {}, "No data yet"), "Publish the closed days of the lake:", h("code", {}, "telemetry rollup"))); return box; }
  if (drawn.legend.length) box.append(h("div", { class: "legend", "aria-hidden": true }, ...drawn.legend.map(([text, tone]) => h("span", {}, h("i", { class: tone }), text))));
  const plot = h("div", { class: `plot${kind === "map" ? " tall" : drawn.height ? " list" : ""}`, role: "img", "aria-label": `${name}: ${drawn.say}. The table holds the figures.` });
  if (drawn.height && kind !== "map") plot.style.height = `${drawn.height}px`;
  box.append(plot);
  let shown = null;
  tools.append(
    h("button", { type: "button", "aria-expanded": "false", "aria-label": `Table: ${name}`, on: { click: (event) => {
      if (shown) { shown.remove(); shown = null; } else box.append((shown = table(drawn, name)));
      event.currentTarget.setAttribute("aria-expanded", String(Boolean(shown)));
    } } }, "Table"),
    h("button", { type: "button", "aria-label": `CSV: ${name}`, on: { click: () => csv(drawn, `${metric}${spec.by ? "-by-" + spec.by.replace(",", "-") : ""}`) } }, "CSV"));
  queue.push([plot, () => DRAW[kind](metric, spec).option, drawn.option]);
  return box;
}

function tile(text) {
  const [metric, measure = "value"] = text.split(" "), entry = METRICS[metric];
  if (!entry) return h("div", { class: "tile" }, h("h3", {}, metric), h("p", { class: "number none" }, "No data yet"));
  const grain = ["day", "week", "period"].find((size) => Object.keys(D.tables).some((name) => name.startsWith(`${metric}|${size}|`))) ?? (/^(week|period):/.exec(entry.tables)?.[1] ?? "day");
  const got = answer(metric, grain, entry.kind === "fact" && !cube(metric, grain, "") ? (metric === "rejected" ? "reason" : "event") : "");
  const box = h("div", { class: "tile", "data-metric": text }, h("h3", {}, entry.title + (measure === "value" ? "" : `, ${measure}`)));
  const over = (from, to) => (got?.rows.length > 1 ? { value: got.rows.reduce((sum, { row }) => sum + (summary(metric, got, row, measure, from, to).value ?? 0), 0), how: `in ${columns(got.cube, got.grain, from, to).length} days`, windows: columns(got.cube, got.grain, from, to).length } : got?.rows.length ? summary(metric, got, got.rows[0].row, measure, from, to) : { value: null });
  const [first, until] = entry.kind === "fact" && state.to === LAST ? [state.from, LAST + 3] : [state.from, state.to];
  const now = over(first, until);
  if (nothing(now.value)) {
    const message = !D.run || !D.status.oldest_day ? "No data yet" : !entry.collected ? "Not collected" : entry.kind === "fact" ? "Nothing counted" : grain !== "day" ? `No whole ${grain} yet` : `Hidden: under ${D.rule.accounts} accounts`;
    box.append(h("p", { class: "number none" }, message));
    return box;
  }
  const [from, to] = previous(state.from, state.to), old = over(from, to);
  const [tone, words] = got.grain === "period" ? ["", ""] : delta(metric, now.value, old.windows === now.windows ? old.value : null);
  box.append(h("p", { class: "number", "data-value": now.value }, show(now.value, entry.unit, true)), h("p", {}, now.how, got.note ? ` · ${got.note}` : ""), h("p", { class: tone ? `delta ${tone}` : "" }, words));
  return box;
}

function facts() {
  const s = D.status, entry = METRICS.expiry_proof, rows = [];
  const add = (term, text) => rows.push(h("dt", {}, term), h("dd", {}, text));
  const moment = (text) => `${text.slice(0, 16).replace("T", " ")} UTC`;
  if (s.newest_commit) add("Newest commit", moment(s.newest_commit));
  if (D.rolled_up_at) add("Published", moment(D.rolled_up_at));
  if (s.oldest_day) { const age = dayOf(D.rolled_up_at.slice(0, 10)) - dayOf(s.oldest_day); add("Oldest event day", `${s.oldest_day}, ${age} days old: ${age < 90 ? "within" : "OVER"} the 90 days promised`); }
  if (s.last_expiry) add("Last expiry run", moment(s.last_expiry));
  if (!nothing(s.epochs_live)) add("Key periods", `${s.epochs_live} live, ${s.epochs_destroyed} with their keys destroyed`);
  add("Smallest group", `${D.rule.accounts} accounts; none over ${percent(0).format(D.rule.share)} of a cell`);
  if (s.geo?.type) add("Country database", [s.geo.type, s.geo.built].filter(Boolean).join(", "));
  return h("section", { class: "card", "aria-label": "Promises", "data-kind": "facts" }, h("header", {}, h("div", {}, h("h3", {}, "Freshness and promises"), h("p", { class: "what" }, entry?.sentence ?? ""))), h("dl", { class: "facts" }, ...rows));
}

function hidden() {
  const entry = METRICS.suppressed, items = Object.entries(D.hidden).map(([key, [share, cells, of]]) => [...key.split("|"), share, cells, of]).sort((a, b) => b[2] - a[2]);
  const box = h("section", { class: "card", "aria-label": "Hidden by the gate", "data-kind": "hidden" }, h("header", {}, h("div", {}, h("h3", {}, entry?.title ?? "Hidden"), h("p", { class: "what" }, entry?.sentence ?? "", " Last 28 days."))));
  if (!items.length) box.append(h("div", { class: "empty" }, h("strong", {}, "Nothing hidden"), "Every cell of every table passes the gate."));
  else box.append(table({ unit: "", head: ["Metric", "Table", "Share hidden", "Cells hidden"], rows: items.map(([metric, cut, share, cells, of]) => [METRICS[metric]?.title ?? metric, cut.split(",").map((name) => NAMES[name]?.toLowerCase() ?? name).join(" × "), percent(1).format(share), `${plain.format(cells)} of ${plain.format(of)}`]) }, "Share hidden, by table"));
  return box;
}

function definitions() {
  const box = h("div", { class: "defs" });
  for (const [page, [title]] of Object.entries(PAGES)) {
    const mine = D.metrics.filter((metric) => metric.page === page);
    if (mine.length) box.append(h("h2", {}, title));
    for (const m of mine) {
      const population = D.populations[m.population];
      box.append(h("article", { class: "card def", id: `def-${m.name}` }, h("h3", {}, m.title), h("p", {}, m.sentence), m.caveat ? h("p", {}, m.caveat) : "",
        h("p", { class: "minor" }, h("code", {}, m.name), ` · in ${m.unit === "ratio" ? "per cent" : m.unit}${m.good === "neither" ? "" : ` · ${m.good === "up" ? "higher" : "lower"} is better`}${m.tables ? ` · ${m.tables}` : ""}${m.collected ? "" : " · not collected"}`),
        population ? h("details", {}, h("summary", {}, `Computed from: ${population.sentence}`), h("pre", { tabindex: 0 }, h("code", {}, `${population.sql}\n\nmeasure: ${m.measure}${m.kind === "ratio" ? `\nover: ${m.denominator}` : ""}`))) : ""));
    }
  }
  return box;
}

function toolbar() {
  $("pages").replaceChildren(...Object.entries(PAGES).map(([page, [title]]) => h("li", {}, h("a", { href: hashFor({ page }), "aria-current": page === state.page ? "page" : undefined }, title))));
  $("presets").replaceChildren(...[7, 28, 90].map((size) => h("button", { type: "button", "aria-pressed": String(size === state.preset), on: { click: () => go({ preset: size }) } }, String(size))));
  $("bar").hidden = state.page === "definitions" || !D.run;
  if (LAST) { $("from").value = iso(state.from); $("to").value = iso(state.to); for (const id of ["from", "to"]) { $(id).min = D.first_day; $(id).max = D.last_day; } }
  const members = (name) => [...new Set(Object.entries(D.tables).filter(([key]) => key.endsWith(`|day|${name}`)).flatMap(([, found]) => found.keys.map(([key]) => key)))].filter((key) => key !== "(other)").sort();
  const open = FILTERS.filter((name) => !state.filters.some(([other]) => other === name) && members(name).length);
  const full = state.filters.length >= 2;
  $("dimension").replaceChildren(h("option", { value: "" }, full ? "Two at most" : "Everything"), ...(full ? [] : open.map((name) => h("option", { value: name }, NAMES[name]))));
  $("dimension").disabled = full;
  $("member").replaceChildren(); $("member").disabled = true;
  $("dimension").onchange = (event) => {
    const name = event.target.value;
    $("member").disabled = !name;
    $("member").replaceChildren(...(name ? [h("option", { value: "" }, "Choose"), ...members(name).map((key) => h("option", { value: key }, label(name, key)))] : []));
  };
  $("member").onchange = (event) => event.target.value && go({ filters: [...state.filters, [$("dimension").value, event.target.value]] });
  $("chips").replaceChildren(...state.filters.map(([name, value]) => h("li", {}, h("button", { type: "button", "aria-label": `Remove filter ${NAMES[name]} ${label(name, value)}`, on: { click: () => go({ filters: state.filters.filter(([other]) => other !== name) }) } }, `${NAMES[name]}: ${label(name, value)} ×`))));
}

function banner() {
  const lines = D.notice ? [["stop", D.notice]] : [];
  if (!D.run) lines.push(["", "Nothing is published yet. Run the pipeline, then telemetry rollup, then telemetry dashboard build."]);
  else if (LAST) {
    const stale = (Date.now() - (LAST + 1) * DAY) / 36e5;
    if (stale >= 50) lines.push(["stop", `These figures are old: the last day shown ended ${plain.format(Math.floor(stale))} hours ago.`]);
    else if (stale >= 26) lines.push(["", `The last day shown ended ${plain.format(Math.floor(stale))} hours ago; a day is normally published within 26 hours.`]);
  } else if (!D.status.oldest_day) lines.push(["", "The lake holds no events yet: start with telemetry run."]);
  else lines.push(["", `Nothing passes the gate yet: a figure needs ${D.rule.accounts} accounts in a closed day.`]);
  $("banner").replaceChildren(...lines.map(([tone, text]) => h("p", { class: tone }, text)));
}

function draw() {
  const began = performance.now();
  readHash(); inks();
  const [title, lead, tiles, charts] = PAGES[state.page];
  live.forEach(({ chart }, plot) => { watcher.unobserve(plot); chart.dispose(); });
  live.clear();
  toolbar(); banner();
  document.title = `${title} · Usage`;
  $("title").textContent = title; $("lead").textContent = lead;
  $("range-note").textContent = LAST ? `Closed days to ${longDay.format(days(LAST))} · groups of ${D.rule.accounts} accounts or more` : "";
  $("tiles").replaceChildren(...tiles.map(tile));
  const queue = [];
  $("charts").replaceChildren(...charts.map((spec) => card(spec, queue)));
  $("credit").textContent = D.status.geo?.credit ? `${D.status.geo.credit} Map: Natural Earth.` : "Map: Natural Earth.";
  // Charts are made after layout, so that each knows its size at once.
  for (const [plot, redraw, option] of queue) {
    const chart = echarts.init(plot, null, { renderer: "canvas" });
    chart.setOption(option);
    live.set(plot, { chart, redraw });
    watcher.observe(plot);
    if (live.size === 1) performance.mark("first-chart");
  }
  document.documentElement.dataset.drawn = String(Math.round(performance.now() - began));
  document.documentElement.dataset.page = state.page;
}

function recolour() { inks(); live.forEach(({ chart, redraw }) => chart.setOption(redraw(), { notMerge: true })); }
const dark = matchMedia("(prefers-color-scheme: dark)"), paper = matchMedia("print");
function theme() {
  let wish = "";
  try { wish = localStorage.getItem("theme") ?? ""; } catch { /* a file without storage keeps the system's theme */ }
  $("theme").value = wish;
  document.documentElement.dataset.theme = paper.matches ? "light" : wish || (dark.matches ? "dark" : "light");
}
$("theme").addEventListener("change", (event) => {
  try { localStorage.setItem("theme", event.target.value); } catch { /* as above */ }
  document.documentElement.dataset.theme = event.target.value || (dark.matches ? "dark" : "light");
  recolour();
});
dark.addEventListener("change", () => { theme(); recolour(); });
paper.addEventListener("change", () => { theme(); recolour(); });
$("bar").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["from", "to"]) $(id).addEventListener("change", () => {
  const from = dayOf($("from").value), to = dayOf($("to").value);
  if (from && to && from <= to) go({ preset: 0, from, to });
});
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); });
addEventListener("hashchange", () => { const page = state.page; draw(); if (page !== state.page) { scrollTo(0, 0); $("main").focus({ preventScroll: true }); } });
theme(); draw();
})();
