// Page, range, filters and comparison: they live in the address's hash, so a link is a view.

// LAST is the last closed day that is shown; where nothing passed the gate, the day before the build.
const FIRST = dayOf(D.first_day), LAST = dayOf(D.last_day) ?? dayOf(D.built_at.slice(0, 10)) - 1;
const PRESETS = { 7: 1, 28: 4, 90: 13 }; // Days, and the whole weeks that breakdowns show instead.
const COMPARISONS = ["previous", "four", "none"];
const state = { page: PAGES[0], preset: 28, from: 0, to: 0, filters: [], compare: "previous", chart: "" };
const within = (day) => Math.max(FIRST ?? LAST, Math.min(day, LAST));

// A range of days; which of the two was named first does not matter.
const rangeOf = (one, other) => ({ preset: 0, from: within(Math.min(one, other)), to: within(Math.max(one, other)) });

function readHash() {
  const [page, query] = location.hash.slice(1).split("?");
  const words = new URLSearchParams(query);
  const preset = Object.keys(PRESETS).map(Number).find((size) => size === Number(words.get("days"))) ?? 28;
  Object.assign(state, {
    page: PAGES.find(({ name }) => name === page) ?? PAGES[0], preset, from: LAST - preset + 1, to: LAST,
    compare: COMPARISONS.find((name) => name === words.get("compare")) ?? "previous", chart: words.get("chart") ?? "",
  });
  const from = dayOf(words.get("from")), to = dayOf(words.get("to"));
  if (from && to) Object.assign(state, rangeOf(from, to));
  state.filters = Object.keys(NAMES).filter((name) => words.get(name)).slice(0, 2).map((name) => [name, words.get(name)]);
}

function hashFor(changes) {
  const next = { ...state, chart: "", ...changes };
  const words = new URLSearchParams();
  if (!next.preset) { words.set("from", iso(next.from)); words.set("to", iso(next.to)); }
  else if (next.preset !== 28) words.set("days", next.preset);
  if (next.compare !== "previous") words.set("compare", next.compare);
  next.filters.forEach(([name, value]) => words.set(name, value));
  if (next.chart) words.set("chart", next.chart);
  return `#${next.page.name}${String(words) && "?" + words}`;
}
const go = (changes) => { location.hash = hashFor(changes); };

// A click on a part of a chart: its filter is set, or taken away again. Two at most: the older goes.
const isPicked = (name, key) => state.filters.some(([other, value]) => other === name && value === key);
const canPick = (name, key) => Boolean(NAMES[name]) && key !== OTHER;
function pick(name, key) {
  const others = state.filters.filter(([other]) => other !== name);
  go({ filters: isPicked(name, key) ? others : [...others.slice(-1), [name, key]] });
}
