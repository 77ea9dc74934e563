// Key figures, each with a sparkline and a way to its chart; and the days that stand out.

// The chart of a metric: on the page itself, or where it is first drawn.
function chartOf(metric) {
  for (const page of [state.page, ...PAGES]) {
    const mine = page.charts.filter((spec) => spec.metric === metric), spec = mine.find(({ draw }) => draw === "trend") ?? mine[0];
    if (spec) return { page, chart: chartId(spec) };
  }
  return null;
}
// Where the grain is not said: the finest one that there is.
const grainOf = (metric) => Object.keys(SPAN).find((size) => cutsOf(metric, size).length) ?? /^(week|period):/.exec(METRICS[metric]?.tables)?.[1] ?? "day";

function tile(text) {
  const [metric, measure = "value"] = text.split(" "), entry = METRICS[metric], grain = grainOf(metric), cuts = cutsOf(metric, grain);
  const title = noted(entry?.title ?? metric, measure === "value" ? "" : measure).replace(" · ", ", "), goal = entry && chartOf(metric);
  const name = goal ? h("a", { href: hashFor(goal), class: "go" }, title) : title;
  const box = h("div", { class: "tile", "data-metric": text }, h("header", {}, h("h3", {}, name), info(title, entry)));
  const got = entry && answer(metric, grain, isFact(metric) && !cuts.includes("") ? cuts[0] : ""), windows = got ? windowsOf(got) : [];
  const now = got?.rows.length ? total(got, measure, windows) : { value: null };
  if (!D.run || nothing(now.value)) {
    const why = reason(entry, { grain });
    box.append(h("p", { class: "number none" }, now.bound || why.brief), h("p", { class: "how" }, sentences(got ? noteOf(got, windows) : "", why.limit ? why.words : "")));
    return box;
  }
  const whole = windows.filter((day) => !isOpen(metric, day)), open = whole.length < windows.length, shift = shiftOf(got, whole); // An open day is compared with nothing.
  const before = shift === null ? null : total(got, measure, whole.map((day) => day - shift));
  const { word, text: words } = verdict(metric, open ? total(got, measure, whole) : now, before), noise = noiseOf(now);
  Object.assign(box.dataset, { grain: got.grain, first: windows[0], last: windows.at(-1), verdict: word });
  box.append(h("p", { class: "number", "data-value": now.value, "data-noise": noise }, h("span", {}, say(now, entry.unit, true)), noise ? h("small", {}, `${W.uncertain(showSpread(noise, entry.unit, true))}`) : ""),
    h("p", { class: "how" }, noted(now.how + (open ? `, ${W.lastOpen}` : ""), windowsOfTile(got, windows))), sparkline(got, measure, windows), h("p", { class: `delta ${word}` }, words));
  return box;
}
function windowsOfTile(got, windows) {
  const { applied } = got, names = (filters) => filters.map(([name]) => low(name));
  return noted(got.grain === "day" ? "" : rangeText(windows[0], windows.at(-1) + SPAN[got.grain] - 1),
    applied.length ? W.filtered(names(applied)) : "", refusalOf(got));
}

const SVG = "http://www.w3.org/2000/svg";
function sparkline(got, measure, windows) {
  const drawn = got.grain === "day" ? windows : withContext(got, windows);
  const values = drawn.map((day) => total(got, measure, [day]).value), known = values.filter((value) => !nothing(value));
  if (known.length < 2) return "";
  const low = Math.min(...known), high = Math.max(...known), svg = document.createElementNS(SVG, "svg"), line = document.createElementNS(SVG, "path");
  const x = (at) => (2 + (116 * at) / (values.length - 1)).toFixed(1), y = (value) => (24 - (20 * (value - low)) / (high - low || 1)).toFixed(1);
  let pen = "M";
  const path = values.map((value, at) => { if (nothing(value)) { pen = "M"; return ""; } const step = `${pen}${x(at)} ${y(value)}`; pen = "L"; return step; });
  for (const [name, value] of Object.entries({ viewBox: "0 0 120 28", class: "spark", "aria-hidden": "true", preserveAspectRatio: "none" })) svg.setAttribute(name, value);
  line.setAttribute("d", path.join(""));
  svg.append(line);
  return svg;
}

// The unusual days of the range, newest first, each with the way to its charts.
const MOST_DAYS = 6, MOST_OF_A_DAY = 4;
function unusualBox() {
  if (state.page.name !== "overview" || !D.last_day) return "";
  const found = D.anomalies.filter(({ day }) => dayOf(day) >= state.from && dayOf(day) <= state.to), all = [...new Set(found.map(({ day }) => day))].sort().reverse();
  const way = (one) => { const goal = chartOf(one.metric); return goal ? h("a", { href: hashFor({ ...goal, filters: [] }) }, unusualText(one)) : unusualText(one); };
  const line = (day) => {
    const mine = found.filter((one) => one.day === day), rest = mine.length - MOST_OF_A_DAY;
    return h("li", {}, h("b", {}, longDay.format(days(dayOf(day)))), h("span", { class: "tag" }, W.automatic), ...mine.slice(0, MOST_OF_A_DAY).map(way), rest > 0 ? W.more(rest) : "");
  };
  return h("section", { class: "card unusual", "aria-label": W.standsOut }, h("header", {}, h("div", {}, h("h3", {}, W.standsOut), h("p", { class: "what" }, all.length ? W.standsOutWords : W.usualDays))),
    h("ul", {}, ...all.slice(0, MOST_DAYS).map(line)), all.length > MOST_DAYS ? h("p", { class: "note" }, W.more(all.length - MOST_DAYS)) : "");
}
