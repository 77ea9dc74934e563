// Tables that are charts: the routes, the days of the pipeline.

// A table that is sorted by a click on a column's head. Each column: { name, of, text, first }.
function sortable(columns, lines, { caption, sort, search }) {
  const body = h("tbody"), heads = columns.map(({ name }, at) => h("th", { scope: "col", "aria-sort": "none" }, h("button", { type: "button", class: "sort", "aria-label": W.sorted(name), on: { click: () => order(at, chosen.at === at ? !chosen.down : at > 0) } }, name)));
  const held = kept.sorts.get(caption), fits = held && held.columns === columns.length, chosen = { at: sort, down: true, ...(fits ? held : {}) }, field = search ? h("input", { type: "search", "aria-label": W.search, placeholder: W.search, on: { input: () => fill() } }) : null;
  const last = (line) => line.key === OTHER, of = (line) => columns[chosen.at].of(line);
  const before = (a, b) => {
    const [one, two] = [of(a), of(b)], way = chosen.down ? -1 : 1;
    return last(a) - last(b) || nothing(one) - nothing(two) || (typeof one === "string" ? (one < two ? -1 : one > two ? 1 : 0) : one - two) * way;
  };
  function order(at, down) {
    Object.assign(chosen, { at, down });
    heads.forEach((head, place) => head.setAttribute("aria-sort", place === at ? (down ? "descending" : "ascending") : "none"));
    fill();
  }
  function fill() {
    kept.sorts.set(caption, { ...chosen, columns: columns.length, text: field?.value ?? "" });
    const wanted = field?.value.trim().toLowerCase() ?? "", shown = lines.filter((line) => line.text.toLowerCase().includes(wanted)).sort(before);
    body.replaceChildren(...shown.map((line) => h("tr", { class: line.faded ? "faded" : undefined, "data-key": line.key }, ...columns.map(({ cell: make }, at) => h(at ? "td" : "th", at ? {} : { scope: "row" }, make(line))))),
      ...(shown.length ? [] : [h("tr", {}, h("td", { colspan: columns.length }, W.noRoute))]));
  }
  if (field) field.value = held?.text ?? "";
  order(chosen.at, chosen.down);
  return h("div", {}, field ? h("div", { class: "finder" }, field) : "", h("div", { class: "scroll long", tabindex: 0, role: "group", "aria-label": caption },
    h("table", { class: "sheet" }, h("caption", { class: "sr" }, caption), h("thead", {}, h("tr", {}, ...heads)), body)));
}

const ROUTE_COLUMNS = [
  ["requests", "requests", "value"], ["errors", "http_5xx_rate", "value"], ["p50", "latency", "p50"], ["p95", "latency", "p95"],
];
function routes(spec) {
  const { by, grain } = spec, tables = ROUTE_COLUMNS.map(([name, metric, measure]) => ({ name, metric, measure, got: answer(metric, grain, by) }));
  const [{ got }] = tables;
  if (!got) return null;
  const windows = windowsOf(got), rowOf = (table, key) => table.got?.rows.find((line) => line.key[0] === key)?.row;
  const lines = got.rows.map(({ key: [key] }) => {
    const line = { key, text: label(by, key), faded: got.picked.some(([, value]) => value !== key) };
    for (const table of tables) {
      const row = rowOf(table, key);
      const now = row === undefined ? null : { key, row, ...summary(table.got, row, table.measure, windows) };
      line[table.name] = now && { ...now, change: changeOf(table.got, now, table.measure, windows) };
    }
    return line;
  }).filter((line) => !nothing(line.requests?.value));
  if (!lines.length) return null;
  const comparing = state.compare !== "none" && lines.some((line) => tables.some(({ name }) => line[name]?.change.before?.windows));
  const ranked = (one) => (nothing(one?.value) ? null : one.value);
  const changed = (one) => (one?.change.word && one.change.before.value ? (one.value - one.change.before.value) / one.change.before.value : nothing(one?.value) ? null : 0);
  const columns = [{ name: NAMES[by], of: (line) => line.text, cell: (line) => picker(by, line.key, [line.text], "pick") }];
  for (const { name, metric } of tables) {
    const { unit } = METRICS[metric];
    columns.push({ name: W[name], of: (line) => ranked(line[name]), cell: (line) => (line[name] ? say(line[name], unit, true) + (line[name].windows < line[name].of ? "*" : "") : W.suppressed(D.rule.accounts)) });
    if (comparing && name !== "p50") columns.push({
      name: W.change, of: (line) => changed(line[name]),
      cell: (line) => h("span", { class: `delta ${line[name]?.change.word ?? ""}`, title: line[name]?.change.text }, line[name]?.change.word ? line[name].change.text.split(",")[0] : line[name]?.change.text ? "≈" : ""),
    });
  }
  const partly = lines.some((line) => tables.some(({ name }) => line[name] && line[name].windows < line[name].of));
  return {
    got, body: sortable(columns, lines, { caption: spec.title, sort: 1, search: true }), legend: [], say: W.largest(lines[0].text),
    note: sentences(noteOf(got, windows), ...tables.slice(1).map((table) => differing(got, table)), partly ? W.partly(grain) : ""),
    keys: lines.map(({ key }) => key), head: [NAMES[by], ...tables.flatMap(({ name }) => [W[name], W.plusMinus]), W.weeks],
    rows: lines.map((line) => [line.text, ...tables.flatMap(({ name, metric }) => {
      const { unit } = METRICS[metric], one = line[name];
      return [one ? figure(one.value, unit, say(one, unit)) : W.suppressed(D.rule.accounts), one && !nothing(one.value) ? figure(noiseOf(one), unit, showSpread(noiseOf(one), unit)) : ""];
    }), `${line.requests.windows}/${line.requests.of}`]),
  };
}
// A column whose table obeys fewer filters than the first one says so.
function differing(got, table) {
  const more = table.got ? table.got.refused.filter(([name]) => !got.refused.some(([other]) => other === name)) : [];
  return more.length ? `${METRICS[table.metric].title}: ${W.refused(more.map(([name]) => low(name)))}` : "";
}

// One row for each day of the range: what the pipeline counted of itself.
const DAILY = ["completeness", "rejected", "dropped", "late", "duplicate", "opt_out_rate"];
function daily(spec) {
  const tables = DAILY.map((metric) => ({ metric, got: METRICS[metric] && answer(metric, "day", cutsOf(metric, "day")[0] ?? "") })).filter(({ got }) => got);
  const [first] = tables;
  if (!first) return null;
  const refused = first.got.refused, windows = [...new Set(tables.flatMap(({ got }) => windowsOf(got)))].sort((a, b) => b - a);
  const lines = windows.map((day) => {
    const line = { key: iso(day), day, text: windowText(day, "day") + (isOpen(first.metric, day) ? " *" : "") };
    for (const { metric, got } of tables) line[metric] = got.place.has(day) ? total(got, "value", [day]) : null;
    return line;
  });
  if (!lines.some((line) => tables.some(({ metric }) => line[metric]))) return null;
  const columns = [{ name: W.day, of: (line) => line.day, cell: (line) => line.text }, ...tables.map(({ metric }) => ({
    name: METRICS[metric].title, of: (line) => line[metric]?.value ?? null, cell: (line) => (line[metric] ? say(line[metric], METRICS[metric].unit, true) : W.nothing),
  }))];
  return {
    got: first.got, body: sortable(columns, lines, { caption: spec.title, sort: 0 }), legend: [], say: many(lines.length, "day"),
    note: sentences(noteOf({ ...first.got, refused }, windows), lines.some(({ day }) => isOpen(first.metric, day)) ? `* ${W.lastOpen}.` : ""),
    keys: lines.map(({ key }) => key), head: [W.day, ...tables.map(({ metric }) => METRICS[metric].title)],
    rows: lines.map((line) => [line.key, ...tables.map(({ metric }) => (line[metric] ? figure(line[metric].value, METRICS[metric].unit, say(line[metric], METRICS[metric].unit)) : W.nothing))]),
  };
}
