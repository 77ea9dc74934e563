// Charts of one dimension: ranks, funnels, the map. Rows are buttons: each filters.

// Every cell of a table, each as one number for the range; those with a limit only come last.
function cells({ metric, by, grain = "day", measure = "value", skip }) {
  const got = answer(metric, grain, by);
  if (!got) return { got: null, windows: [], items: [] };
  const windows = windowsOf(got), items = got.rows.map(({ row, key }) => ({ row, key: key[0], ...summary(got, row, measure, windows) }));
  return { got, windows, items: items.filter((item) => (!nothing(item.value) || item.bound) && item.key !== skip) };
}

const MOST_BARS = 14;
function rank(spec) {
  const { metric, by, measure = "value" } = spec, { got, windows, items } = cells(spec);
  if (!items.length) return null;
  const { unit, title } = METRICS[metric], first = ({ key }) => (/^\d/.test(key) ? parseInt(key, 10) : 99);
  items.sort(spec.ordered ? (a, b) => first(a) - first(b) : (a, b) => (a.key === OTHER) - (b.key === OTHER) || (b.value ?? -1) - (a.value ?? -1));
  for (const item of items) item.change = changeOf(got, item, measure, windows);
  const shown = items.slice(0, MOST_BARS), partly = items.some((item) => item.windows < windows.length);
  const how = items.reduce((best, item) => (item.windows > best.windows ? item : best)).how;
  return {
    got, note: sentences(noteOf(got, windows, how ? `${how[0].toUpperCase()}${how.slice(1)}.` : ""), partly ? W.partly(got.grain) : "", items.length > shown.length ? W.notDrawn(items.length - shown.length) : ""),
    body: bars(by, shown, unit, got), ...tableOfItems(by, items, unit, measure === "value" ? title : measure), legend: [], say: W.highest(label(by, shown[0].key)),
  };
}

function tableOfItems(by, items, unit, title) {
  const changes = items.some(({ change }) => change?.text);
  return {
    keys: items.map(({ key }) => key),
    head: [NAMES[by], title, W.plusMinus, W.weeks, ...(changes ? [W.change] : [])],
    rows: items.map((item) => [
      label(by, item.key), figure(item.value, unit, say(item, unit)), nothing(item.value) ? "" : figure(noiseOf(item), unit, showSpread(noiseOf(item), unit)),
      `${item.windows}/${item.of}`, ...(changes ? [item.change.text] : []),
    ]),
  };
}

function bars(by, items, unit, got, text = (item) => say(item, unit, true)) {
  const most = Math.max(...items.map(({ value }) => value ?? 0)), faded = (key) => got.picked.some(([name, value]) => name === by && value !== key);
  const part = (item) => [
    h("span", { class: "name" }, label(by, item.key)),
    h("span", { class: "track" }, h("i", { class: item.key === OTHER ? "s8" : "s0", style: { width: `${most ? (100 * (item.value ?? 0)) / most : 0}%` } })),
    h("span", { class: "amount" }, text(item) + (item.windows < item.of ? "*" : "")),
    h("span", { class: `delta ${item.change?.word ?? ""}`, title: item.change?.text }, item.change?.word ? item.change.text.split(",")[0] : ""),
  ];
  return h("ol", { class: "bars" }, ...items.map((item) => h("li", { class: faded(item.key) ? "faded" : "", "data-key": item.key }, picker(by, item.key, part(item)))));
}

// A part of a chart that filters when it is clicked, or what cannot.
function picker(by, key, children, className = "row") {
  if (!canPick(by, key)) return h("span", { class: className }, ...children);
  return h("button", {
    type: "button", class: className, "data-pick": `${by}=${key}`, "aria-pressed": String(isPicked(by, key)), title: W.filterTo(NAMES[by], label(by, key)), on: { click: () => pick(by, key) },
  }, ...children);
}

function funnel(spec) {
  const { metric, by } = spec, { got, windows, items } = cells(spec), { unit, title } = METRICS[metric];
  const steps = items.filter(({ key, value }) => key !== OTHER && !nothing(value)).sort((a, b) => (a.key < b.key ? -1 : 1));
  if (!steps.length) return null;
  const share = ({ value }) => Math.min(1, value / steps[0].value), made = tableOfItems(by, steps, unit, title);
  return {
    got, note: noteOf(got, windows, items.length > steps.length ? W.stepsHidden : ""), legend: [], say: W.highest(label(by, steps[0].key)),
    body: bars(by, steps, unit, got, (item) => `${show(item.value, unit, true)}  ${percents[0].format(share(item))}`),
    keys: made.keys, head: [...made.head, W.ofFirst], rows: made.rows.map((row, at) => [...row, figure(share(steps[at]), "ratio")]),
  };
}

function map(spec) {
  const { metric, by } = spec, { got, windows, items } = cells(spec), { unit, title } = METRICS[metric];
  const data = items.filter(({ key, value }) => /^[A-Z]{2}$/.test(key) && key !== "ZZ" && value).map((item) => ({
    name: item.key, value: item.value, itemStyle: got.picked.some(([, key]) => key !== item.key) ? { opacity: 0.35 } : undefined,
  }));
  if (!data.length) return null;
  const values = data.map((item) => item.value), least = Math.min(...values), most = Math.max(...values, least + 1);
  const { tooltip, textStyle } = frame(unit, null), option = { animation: false, tooltip, textStyle };
  // Territories without a country code have a name that begins with a tilde.
  const name = (key) => (/^[A-Z]{2}$/.test(key) ? country.of(key) : key.slice(1));
  Object.assign(tooltip, { trigger: "item", formatter: (p) => `${name(p.name)}  ${nothing(p.value) ? W.noMap : show(p.value, unit)}` });
  option.visualMap = {
    type: "continuous", min: least, max: most, left: 8, bottom: 8, itemHeight: narrow() ? 40 : 90, itemWidth: 12, text: [most, least].map((value) => show(value, unit, true)),
    textStyle: { color: ink("soft") }, inRange: { color: [ink("low"), ink("high")] }, calculable: false, hoverLink: false,
  };
  option.series = [{
    type: "map", map: "world", aspectScale: 1, layoutCenter: ["50%", "50%"], layoutSize: "200%", selectedMode: false, data,
    itemStyle: { areaColor: ink("none"), borderColor: ink("card"), borderWidth: 0.6 }, emphasis: { label: { show: false }, itemStyle: { areaColor: tone(2) } },
  }];
  return {
    got, option, note: noteOf(got, windows), legend: [], say: W.countries(data.length), ...tableOfItems(by, items, unit, title),
    click: ({ name: key }) => data.some((item) => item.name === key) && pick(by, key),
  };
}
