// One chart with its words, its table and its file; or why there is none.

const DRAW = { trend, stack, rank, funnel, heat, hours, map, cohort, ladder, routes, daily };
const live = new Map(); // Canvases by their plot.
const kept = { page: null, tables: new Set(), sorts: new Map() }; // What a reader opened and sorted stays while the page is the same.
const chartId = ({ draw, metric, by = "" }) => [draw, metric, ...by.split(",")].filter(Boolean).join("-");

// Why a figure is missing: in short, in words, and the command to run or the week to choose.
function reason(entry, spec) {
  const { grain = "day", by = "" } = spec;
  if (!D.run || !entry) return { brief: W.noData, words: W.publish, command: "telemetry rollup" };
  if (!D.status.oldest_day) return { brief: W.noData, words: W.start, command: "telemetry run" };
  if (!entry.collected) return { brief: W.notCollected, words: W.noField };
  if (entry.kind === "fact") return { brief: cutsOf(entry.name, grain).length ? W.noneOfThese : W.nothingCounted, words: W.countedNone };
  const got = answer(entry.name, grain, by), size = got?.grain ?? grain, windows = got ? windowsOf(got) : [];
  if (size === "week" && PUBLISHED.week.length && !weeksOfRange().length) return { brief: W.chooseWeek, words: W.chooseWeekWords, week: nearestWeek() };
  const lost = got?.applied.find(([name, key]) => !got.cube.keys.some((whole) => whole[got.cut.split(",").indexOf(name)] === key));
  const brief = W.few(D.rule.accounts, entry.kind === "percentiles");
  const limits = (got?.rows ?? []).flatMap(({ row, key }) => {
    const { bound } = summary(got, row, "value", windows);
    return bound ? [noted(by ? label(by.split(",")[0], key[0]) : "", bound).replace(" · ", " ")] : [];
  });
  if (limits.length) return { brief: limits.join(", "), words: W.onlyLimits(size, D.rule.accounts, windowsText(size, windows)), limit: true };
  if (got && (lost || (got.applied.length && !got.rows.length))) return { brief, words: W.fewOf(label(...(lost ?? got.applied[0]))) };
  if (size === "day" || cutsOf(entry.name, size).length) return { brief, words: W.fewHere(size) };
  if (PUBLISHED[size].length) return { brief, words: W.fewWhole(size) };
  const name = size === "period" ? W.keyPeriodName : size;
  return { brief: W.noWhole(name), words: W.waitFor(SPAN[size], name), command: "telemetry rollup" };
}
function nearestWeek() {
  const ended = PUBLISHED.week.filter((day) => day <= state.to);
  return ended.at(-1) ?? PUBLISHED.week[0];
}
function emptyBox({ brief, words, command, week }) {
  return h("div", { class: "empty" }, h("strong", {}, brief), words, command ? h("code", {}, command) : "", nothing(week) ? "" : h("button", {
    type: "button", on: { click: () => go({ preset: 0, from: week, to: week + 6 }) },
  }, W.thisWeek(windowText(week, "week"))));
}

function csv(drawn, name) {
  const text = (one) => (one !== null && typeof one === "object" ? (nothing(one.value) ? (drawn.fact ? "" : one.text) : String(one.value)) : String(one));
  const quoted = (one) => {
    const safe = /^[=+\-@\t\r]/.test(text(one)) && !(one !== null && typeof one === "object" && !nothing(one.value)) ? `'${text(one)}` : text(one);
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [drawn.head, ...drawn.rows].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
  const link = h("a", { href: URL.createObjectURL(new Blob([lines], { type: "text/csv" })), download: `${name}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const upper = (text) => text[0].toUpperCase() + text.slice(1);
function table({ head, rows, keys = [], columns = [] }, caption) {
  const data = (one) => (one !== null && typeof one === "object" ? h("td", { "data-value": nothing(one.value) ? undefined : one.value }, one.text) : h("td", {}, one));
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": W.tableOf(caption) }, h("table", {}, h("caption", { class: "sr" }, caption),
    h("thead", {}, h("tr", {}, ...head.map((text, at) => h("th", { scope: "col", "data-key": columns[at] }, upper(text))))),
    h("tbody", {}, ...rows.map((row, at) => h("tr", { "data-key": keys[at] }, ...row.map(data))))));
}

function legendOf({ legend }) {
  if (!legend.length) return "";
  const entry = ({ text, tone: shade, by, key }) => {
    const parts = [h("i", { class: shade }), text];
    return h("li", {}, by ? picker(by, key, parts, "key") : h("span", { class: "key" }, ...parts));
  };
  return h("ul", { class: "legend" }, ...legend.map(entry));
}

function info(title, entry) {
  const words = entry ? sentences(entry.sentence, entry.caveat) : "";
  const inside = ({ currentTarget: { open, lastChild: box } }) => { // Never beyond the window's edge, however narrow it is.
    if (!open) return;
    box.style.translate = "";
    const { left, right } = box.getBoundingClientRect(), width = document.documentElement.clientWidth;
    box.style.translate = `${Math.max(8 - left, Math.min(0, width - 8 - right))}px 0`;
  };
  return h("details", { class: "info", on: { toggle: inside, keydown: (event) => { if (event.key === "Escape") event.currentTarget.open = false; } } },
    h("summary", { "aria-label": W.aboutOf(title), title: W.info }, "i"), h("p", {}, words));
}

function card(spec) {
  const { draw: kind, metric, by } = spec, entry = METRICS[metric], title = spec.title ?? entry?.title ?? metric;
  const drawn = entry?.collected && D.run ? DRAW[kind](spec) : null;
  const head = h("header", {}, h("div", {}, h("h3", {}, title), h("p", { class: "what" }, entry && !spec.brief ? entry.sentence : ""), drawn?.note ? noteNode(drawn.note, refusalOf(drawn.got)) : ""));
  const box = h("section", { class: `card${spec.wide ? " wide" : ""}`, id: chartId(spec), tabindex: -1, "aria-label": title, "data-metric": metric, "data-kind": kind }, head);
  if (!drawn) {
    const why = reason(entry, spec);
    if (D.run && entry?.collected) head.firstChild.append(refusedNote(spec));
    box.append(emptyBox(why));
    return box;
  }
  const id = chartId(spec);
  let shown = null;
  const toggle = ({ currentTarget: button }) => {
    if (shown) { shown.remove(); shown = null; } else box.append((shown = table(drawn, title)));
    kept.tables[shown ? "add" : "delete"](id);
    button.setAttribute("aria-expanded", String(Boolean(shown)));
  };
  head.append(h("div", { class: "tools" }, info(title, entry),
    h("button", { type: "button", "aria-expanded": "false", "aria-label": W.tableOf(title), on: { click: toggle } }, W.table),
    h("button", { type: "button", "aria-label": W.csvOf(title), on: { click: () => csv(drawn, `${metric}${by ? "-by-" + by.replace(",", "-") : ""}`) } }, W.csv)));
  box.append(legendOf(drawn));
  const windows = windowsOf(drawn.got);
  Object.assign(box.dataset, { grain: drawn.got.grain, cut: drawn.got.cut, first: windows[0], last: windows.at(-1) });
  if (drawn.body) box.append(drawn.body);
  else box.append(plotOf(drawn, spec, title));
  if (kept.tables.has(id)) box.querySelector(".tools [aria-expanded]").click();
  return box;
}
function refusedNote(spec) {
  const got = answer(spec.metric, spec.grain ?? "day", spec.by);
  return got ? noteNode(noteOf(got, windowsOf(got)), refusalOf(got)) : "";
}
function noteNode(text, refusal) {
  const [before, after] = refusal ? text.split(refusal) : [text, ""];
  return h("p", { class: "note" }, before, refusal ? h("b", {}, refusal) : "", after);
}

function plotOf(drawn, spec, title) {
  const marked = (drawn.option.series[0].markLine?.data ?? []).map(({ xAxis, label: mark }) => W.on(mark.formatter, drawn.option.xAxis.data[xAxis]));
  const plot = h("div", { class: `plot${spec.draw === "map" ? " map" : ""}`, role: "img", "aria-label": W.figure(title, drawn.say, marked.join("")) });
  live.set(plot, { chart: null, option: drawn.option, click: drawn.click, again: () => DRAW[spec.draw](spec).option });
  return plot;
}

// Charts are made after layout, and follow it in the next frame: by then the page may have been
// drawn again, so a plot is looked up, and one without size waits.
function fit(plot) {
  const one = live.get(plot);
  if (!one || !plot.clientWidth || !plot.clientHeight) return;
  if (!one.chart) {
    one.option ??= one.again();
    one.chart = echarts.init(plot, null, { renderer: "canvas" });
    one.chart.setOption(one.option);
    if (one.click) one.chart.on("click", one.click);
    performance.mark("chart");
  } else if (one.chart.getWidth() !== plot.clientWidth || one.chart.getHeight() !== plot.clientHeight) one.chart.resize();
}
// What is in sight is drawn at once, the rest one after the other, so that the page answers meanwhile.
let waiting = [];
function fitAll() {
  const plots = [...live.keys()], inSight = (plot) => plot.getBoundingClientRect().top < innerHeight;
  plots.filter(inSight).forEach(fit);
  waiting = plots.filter((plot) => !live.get(plot).chart);
  plots.filter((plot) => !waiting.includes(plot)).forEach((plot) => watcher.observe(plot));
  setTimeout(fitNext);
}
function fitNext() {
  const plot = waiting.shift();
  if (!plot) return;
  fit(plot);
  watcher.observe(plot);
  setTimeout(fitNext);
}
const watcher = new ResizeObserver((entries) => requestAnimationFrame(() => entries.forEach(({ target }) => fit(target))));
