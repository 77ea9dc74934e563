// Charts of two dimensions, as tables of coloured cells.

// Rows and columns with names, and what stands in each cell: { value, text, title } or nothing.
function grid(caption, corner, columns, lines, colourOf) {
  const at = (value) => { const { backgroundColor, color } = heatColour(colourOf(value)); return { backgroundColor, color }; };
  return h("div", { class: "scroll heat", tabindex: 0, role: "group", "aria-label": caption }, h("table", {}, h("caption", { class: "sr" }, caption),
    h("thead", {}, h("tr", {}, corner ? h("th", { scope: "col" }, corner) : h("td"), ...columns.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...lines.map(({ name, found, faded }) => h("tr", { class: faded ? "faded" : undefined }, h("th", { scope: "row" }, name),
      ...found.map((one) => (one && !nothing(one.value) ? h("td", { style: at(one.value), title: one.title, "data-value": one.value }, one.text) : h("td", { class: "none", title: one?.title }, one?.text ?? ""))))))));
}
const span01 = (values, zero = true) => {
  const low = zero ? Math.min(0, ...values) : Math.min(...values), high = Math.max(...values, low + 1e-9);
  return (value) => (value - low) / (high - low);
};

function heat(spec) {
  const { metric, by, grain } = spec, { unit, title } = METRICS[metric], [down, across] = by.split(","), got = answer(metric, grain, by);
  if (!got) return null;
  const windows = windowsOf(got), all = got.rows.map(({ row, key }) => ({ key, ...summary(got, row, "value", windows) })).filter(({ value }) => !nothing(value));
  const rest = all.find(({ key }) => key[0] === OTHER), shown = all.filter((one) => one !== rest);
  if (!shown.length) return null;
  const sum = (at, key) => add(shown.filter((one) => one.key[at] === key).map(({ value }) => value));
  const largest = (at, most) => [...new Set(shown.map((one) => one.key[at]))].sort((a, b) => sum(at, b) - sum(at, a)).slice(0, most);
  const ys = largest(0, 12), xs = largest(1, 8), faded = (y, x) => got.picked.some(([name, value]) => value !== (name === down ? y : x));
  const found = (y, x) => { const one = shown.find(({ key }) => key[0] === y && key[1] === x); return one && { value: one.value, text: say(one, unit, true) + (one.windows < one.of ? "*" : ""), title: one.how }; };
  const lines = ys.map((y) => ({ name: picker(down, y, [label(down, y)], "pick"), faded: xs.every((x) => faded(y, x)), found: xs.map((x) => (faded(y, x) ? { text: found(y, x)?.text } : found(y, x))) }));
  return {
    got, body: grid(spec.title ?? title, "", xs.map((x) => picker(across, x, [label(across, x)], "pick")), lines, span01(shown.map(({ value }) => value))),
    note: sentences(noteOf(got, windows), shown.some((one) => one.windows < one.of) ? W.partly(got.grain) : "", rest ? W.moreHidden(show(rest.value, unit)) : ""),
    keys: all.map(({ key }) => key.join()), head: [NAMES[down], NAMES[across], title, W.plusMinus, W.weeks], legend: [], say: `${ys.length} × ${xs.length}`,
    rows: all.map((one) => [label(down, one.key[0]), label(across, one.key[1]), figure(one.value, unit), figure(noiseOf(one), unit, showSpread(noiseOf(one), unit)), `${one.windows}/${one.of}`]),
  };
}

function hours(spec) {
  const { metric } = spec, { unit } = METRICS[metric], got = answer(metric, "day", "hour");
  if (!got) return null;
  const windows = windowsOf(got), named = got.rows.filter(({ key }) => key[0] !== OTHER).sort((a, b) => (a.key[0] < b.key[0] ? -1 : 1));
  const mean = (row, day) => {
    const values = windows.filter((one) => weekday(one) === day).map((one) => cell(got, row, "value", one).value).filter((value) => !nothing(value));
    return values.length ? Math.round((add(values) / values.length) * 10) / 10 : null;
  };
  const points = named.flatMap(({ row, key }) => W.weekdays.map((_, day) => ({ hour: key[0], day, value: mean(row, day) }))).filter(({ value }) => !nothing(value));
  if (!points.length) return null;
  const found = (day, hour) => { const one = points.find((point) => point.day === day && point.hour === hour); return one && { value: one.value, text: show(one.value, unit, true) }; };
  const best = points.reduce((one, other) => (other.value > one.value ? other : one)), busiest = `${W.weekdays[best.day]} ${best.hour}:00`;
  return {
    got, body: grid(METRICS[metric].title, "", named.map(({ key }) => key[0]), W.weekdays.map((name, day) => ({ name, found: named.map(({ key }) => found(day, key[0])) })), span01(points.map(({ value }) => value))),
    legend: [], say: W.busiest(busiest, show(best.value, unit), windowsText("day", windows)), note: sentences(noteOf(got, windows), W.busiest(busiest, show(best.value, unit), windowsText("day", windows))),
    head: [W.weekday, W.hour, W.mean], rows: points.map(({ hour, day, value }) => [W.weekdays[day], `${hour}:00`, figure(value, unit)]),
  };
}

// Retention by account age: a row for each age, a column for each week; key periods have a first week.
function cohort(spec) {
  const { metric, by, grain } = spec, got = answer(metric, grain, by), { unit, title } = METRICS[metric];
  if (!got) return null;
  const chosen = windowsOf(got), windows = withContext(got, chosen), first = ({ key: [age] }) => parseInt(age, 10) || 0;
  const lines = got.rows.filter(({ key }) => key[0] !== OTHER).sort((a, b) => first(a) - first(b)).map((line) => ({ ...line, found: windows.map((day) => cell(got, line.row, "value", day)) }));
  const values = lines.flatMap(({ found }) => found.map(({ value }) => value)).filter((value) => !nothing(value));
  if (!values.length) return null;
  const inner = (day) => (day - EPOCH_ORIGIN) % D.epoch_days === 0;
  const column = (day) => h("span", { class: day < chosen[0] ? "pale" : "" }, dayText.format(days(day)));
  const shown = (one, at) => (nothing(one.value) ? { text: inner(windows[at]) ? "" : one.bound || "", title: inner(windows[at]) ? W.firstWeek : W.suppressed(D.rule.accounts) }
    : { value: one.value, text: percents[0].format(one.value), title: W.uncertain(showSpread(2 * one.sd, unit)) });
  return {
    got, body: grid(spec.title ?? title, NAMES[by], windows.map(column), lines.map(({ key, found }) => ({
      name: picker(by, key[0], [label(by, key[0])], "pick"), faded: got.picked.some(([, value]) => value !== key[0]), found: found.map(shown),
    })), span01(values, false)),
    note: sentences(noteOf(got, chosen, windows.length > chosen.length ? W.context : ""), W.cohorts), legend: [], say: W.highest(label(by, lines.at(-1).key[0])),
    columns: [undefined, ...lines.map(({ key }) => key[0])], head: [W.week, ...lines.map(({ key }) => label(by, key[0]))],
    rows: windows.map((day, at) => [iso(day), ...lines.map(({ found }) => (inner(day) ? W.firstWeek : cellFigure(found[at], unit)))]),
  };
}

// A funnel for each feature: a row for each, a column for each step, all as shares of the first.
function ladder(spec) {
  const { metric, by, grain } = spec, [down, across] = by.split(","), got = answer(metric, grain, by), { unit } = METRICS[metric];
  if (!got) return null;
  const windows = windowsOf(got), all = got.rows.filter(({ key }) => key[0] !== OTHER).map(({ row, key }) => ({ key, ...summary(got, row, "value", windows) })).filter(({ value }) => !nothing(value));
  const steps = [...new Set(all.map(({ key }) => key[1]))].sort(), at = (name, step) => all.find(({ key }) => key[0] === name && key[1] === step);
  const names = [...new Set(all.map(({ key }) => key[0]))].filter((name) => at(name, steps[0])).sort((a, b) => at(b, steps[0]).value - at(a, steps[0]).value);
  if (!names.length) return null;
  const share = (name, step) => Math.min(1, at(name, step).value / at(name, steps[0]).value);
  const faded = (name) => got.picked.some(([dimension, value]) => dimension === down && value !== name);
  const found = (name, step) => (at(name, step) ? { value: share(name, step), text: `${percents[0].format(share(name, step))} · ${show(at(name, step).value, unit, true)}` } : { text: "", title: W.suppressed(D.rule.accounts) });
  return {
    got, body: grid(spec.title, NAMES[down], steps.map((step) => label(across, step)), names.map((name) => ({ name: picker(down, name, [label(down, name)], "pick"), faded: faded(name), found: steps.map((step) => found(name, step)) })), span01([0, 1])),
    note: sentences(noteOf(got, windows), W.ladder), legend: [], say: W.largest(label(down, names[0])),
    keys: names.flatMap((name) => steps.filter((step) => at(name, step)).map((step) => at(name, step).key.join())),
    head: [NAMES[down], NAMES[across], METRICS[metric].title, W.plusMinus, W.ofFirst],
    rows: names.flatMap((name) => steps.filter((step) => at(name, step)).map((step) => [label(down, name), label(across, step), figure(at(name, step).value, unit), figure(noiseOf(at(name, step)), unit, showSpread(noiseOf(at(name, step)), unit)), figure(share(name, step), "ratio")])),
  };
}
