// Charts over time. A chart gives what is drawn (`option` for a canvas, `body` for nodes), the table
// (`head`, `rows` of texts and figures) and its words; or null where there is nothing to draw.

const figure = (value, unit, text) => ({ value, unit, text: text ?? show(value, unit) });
const cellFigure = (found, unit) => figure(found.value, unit, say(found, unit));

function trend(spec) {
  const { metric, grain = "day" } = spec, got = answer(metric, grain), { unit, title, kind } = METRICS[metric];
  if (!got?.rows.length) return null;
  const [{ row }] = got.rows, chosen = windowsOf(got), starts = withContext(got, chosen);
  const measures = ["p50", "p90", "p95", "p99"].filter((name) => got.cube[name]), single = !measures.length;
  const lines = (single ? ["value"] : measures).map((measure) => ({
    name: single ? title : measure, found: starts.map((day) => cell(got, row, measure, day)),
  }));
  const values = lines.flatMap(({ found }) => found.map(({ value }) => value)).filter((value) => !nothing(value));
  if (!values.length) return null;
  const shift = single ? shiftOf(got, chosen) : null;
  const before = shift === null ? [] : starts.map((day) => cell(got, row, "value", day - shift)), comparing = before.some(({ value }) => !nothing(value));
  const text = (point, at) => {
    const line = lines.find(({ name }) => name === point.seriesName), found = line ? line.found[at] : point.seriesName === W.before ? before[at] : null;
    return found && `${point.seriesName}  ${say(found, unit)}${found.sd ? " " + W.uncertain(showSpread(2 * found.sd, unit, true)) : ""}`;
  };
  const option = timeFrame(got, unit, starts, text), pale = (at) => got.grain !== "day" && starts[at] < chosen[0];
  const lonely = lines.some(({ found }) => found.some(({ value }, at) => !nothing(value) && nothing(found[at - 1]?.value) && nothing(found[at + 1]?.value)));
  const high = unit === "ratio" && Math.min(...values) > 0.5, uncertain = single && kind !== "fact";
  const logarithmic = measures.includes("p50") && measures.includes("p99") && Math.min(...values) > 0;
  option.series = lines.map(({ name, found }, at) => ({
    type: "line", name, color: tone(at), lineStyle: { width: 2 }, symbolSize: starts.length < 12 ? 6 : 4, showSymbol: lonely || starts.length < 12, z: 3,
    data: found.map(({ value }, place) => (pale(place) ? { value, itemStyle: { opacity: 0.35 } } : value)),
    areaStyle: single && !high && !uncertain ? { opacity: 0.07 } : undefined, markLine: at ? undefined : marks(metric, starts, got.grain),
  }));
  if (comparing) option.series.push({
    type: "line", name: W.before, data: before.map(({ value }) => value), showSymbol: false, color: ink("before"), lineStyle: { width: 1.5, type: "dashed" },
  });
  if (uncertain) option.series.push(...band(lines[0].found, unit));
  scaleOf(option, { high, logarithmic, unit, values });
  const open = starts.some((day) => isOpen(metric, day)), limit = lines[0].found.filter(({ value, bound }) => nothing(value) && bound);
  option.xAxis.boundaryGap = starts.length < 2 || open;
  if (open) option.xAxis.splitArea = { show: true, interval: 0, areaStyle: { color: starts.map((day) => (isOpen(metric, day) ? hatched(ink("line")) : "transparent")) } };
  const context = starts.length > chosen.length ? W.context : "";
  const first = lines[0].found.find(({ value }) => !nothing(value)), last = lines[0].found.findLast(({ value }) => !nothing(value));
  return {
    got, option, note: sentences(noteOf(got, chosen, context), limit.length ? W.broken(weakest(limit)) : "", open ? W.open : "", uncertain ? W.band : "", logarithmic ? W.logScale : ""),
    head: [got.grain, ...lines.map(({ name }) => name), ...(uncertain ? [W.plusMinus] : []), ...(comparing ? [W.before] : [])],
    rows: starts.map((day, at) => [
      iso(day), ...lines.map(({ found }) => cellFigure(found[at], unit)), ...(uncertain ? [figure(lines[0].found[at].value === null ? null : 2 * lines[0].found[at].sd, unit, nothing(lines[0].found[at].value) ? "" : showSpread(2 * lines[0].found[at].sd, unit))] : []),
      ...(comparing ? [figure(before[at].value, unit, nothing(before[at].value) ? before[at].bound || W.nothing : undefined)] : []),
    ]),
    legend: lines.length > 1 ? lines.map(({ name }, at) => ({ text: name, tone: `s${at}` })) : comparing ? [{ text: title, tone: "s0" }, { text: W[state.compare], tone: "dash" }] : [],
    say: W.fromTo(lines[0].name, say(first, unit), say(last, unit)),
  };
}

// What lies within twice the uncertainty of each point: a line that is not drawn, and an area on it.
function band(found, unit) {
  const lowest = found.map(({ value, sd }) => (nothing(value) ? null : Math.max(0, value - 2 * sd)));
  const highest = found.map(({ value, sd }) => (nothing(value) ? null : unit === "ratio" ? Math.min(1, value + 2 * sd) : value + 2 * sd));
  const shape = { type: "line", stack: "band", stackStrategy: "all", symbol: "none", lineStyle: { opacity: 0 }, silent: true, tooltip: { show: false } };
  return [
    { ...shape, name: "low", data: lowest },
    { ...shape, name: "high", data: highest.map((value, at) => (nothing(value) ? null : value - lowest[at])), areaStyle: { color: tone(0), opacity: 0.14 } },
  ];
}

function scaleOf({ yAxis }, { high, logarithmic, unit, values }) {
  if (high) Object.assign(yAxis, { min: ({ min }) => Math.max(0, Math.min(0.95, Math.floor((min - (1 - min) * 0.3) * 200) / 200)), max: 1, axisLabel: { ...yAxis.axisLabel, showMinLabel: false } });
  else if (logarithmic) {
    const low = 2 ** Math.floor(Math.log2(Math.min(...values))), top = 2 ** Math.ceil(Math.log2(Math.max(...values)));
    Object.assign(yAxis, { type: "log", logBase: top / low > 64 ? 4 : 2, min: low, max: top });
  } else if (unit === "s") { // Minutes and hours have other round numbers than tens.
    const most = Math.max(...values), step = [5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200].find((size) => size * 5 >= most) ?? 14400;
    Object.assign(yAxis, { interval: step, max: Math.ceil(most / step) * step });
  }
}

const MOST_BANDS = 8;
function stack(spec) {
  const { metric, by, grain = "day" } = spec, got = answer(metric, grain, by), { unit } = METRICS[metric];
  if (!got) return null;
  const chosen = windowsOf(got), starts = withContext(got, chosen);
  // A cell that is missing is suppressed, but of what the pipeline counts itself: there it is none.
  const zero = { value: isFact(metric) ? 0 : null, sd: 0, half: 0, bound: "" };
  const found = (row, day) => { const one = cell(got, row, "value", day); return nothing(one.value) && got.place.has(day) ? zero : one; };
  const sized = got.rows.map(({ row, key }) => ({ row, key: key[0], size: add(chosen.map((day) => found(row, day).value)) }));
  const ordered = sized.filter(({ size }) => size > 0).sort((a, b) => b.size - a.size);
  if (!ordered.length) return null;
  const main = ordered.filter(({ key }) => key !== OTHER).slice(0, MOST_BANDS), rest = ordered.filter((one) => !main.includes(one));
  const bands = main.map(({ key, row }, at) => ({ key, name: label(by, key), rows: [row], colour: at }));
  if (rest.length) bands.push({ key: OTHER, name: rest.length === 1 ? label(by, rest[0].key) : W.moreBands(rest.length), rows: rest.map(({ row }) => row), colour: 8 });
  const sum = (rows, day) => { const cells = rows.map((row) => found(row, day).value).filter((value) => !nothing(value)); return cells.length ? add(cells) : null; };
  const option = timeFrame(got, unit, starts, (point) => point.value && `${point.seriesName}  ${show(point.value, unit)}`), line = option.tooltip.formatter;
  Object.assign(option.tooltip, { axisPointer: { type: "shadow" }, formatter: (points) => line([...points].reverse()) });
  const faded = (key) => got.picked.some(([, value]) => value !== key);
  const bar = ({ rows, colour, key }, day) => ({ value: sum(rows, day), itemStyle: {
    color: isOpen(metric, day) ? hatched(tone(colour)) : tone(colour), opacity: faded(key) ? 0.25 : got.grain !== "day" && day < chosen[0] ? 0.4 : 1,
  } });
  option.series = bands.map((one, at) => ({
    type: "bar", stack: "all", name: one.name, color: tone(one.colour), barCategoryGap: "22%", barMaxWidth: 64,
    data: starts.map((day) => bar(one, day)), itemStyle: { borderColor: ink("card"), borderWidth: starts.length < 40 ? 0.5 : 0 },
    markLine: at ? undefined : marks(metric, starts, got.grain),
  }));
  const open = starts.some((day) => isOpen(metric, day)), context = starts.length > chosen.length ? W.context : "";
  return {
    got, option, note: sentences(noteOf(got, chosen, context), open ? W.open : ""), say: W.largest(bands[0].name),
    head: [got.grain, ...bands.map(({ name }) => name)], columns: [undefined, ...bands.map(({ key, rows }) => (rows.length > 1 ? undefined : key))],
    rows: starts.map((day) => [iso(day), ...bands.map(({ rows }) => rows.length === 1 ? cellFigure(found(rows[0], day), unit) : figure(sum(rows, day), unit, nothing(sum(rows, day)) ? W.suppressed(D.rule.accounts) : undefined))]),
    legend: bands.map(({ name, key, colour }) => ({ text: name, tone: `s${colour}`, by, key })),
    click: ({ seriesIndex }) => canPick(by, bands[seriesIndex].key) && pick(by, bands[seriesIndex].key),
  };
}
