// The bar of range, filters and comparison; banners, themes, paper; draws everything.

echarts.registerMap("world", JSON.parse($("world").textContent));
for (const node of document.querySelectorAll("[data-word]")) node.textContent = W[node.dataset.word];
for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", W[node.dataset.label]);

// What there is to filter by: the keys of the weekly tables of one dimension.
const members = Object.fromEntries(FILTERS.map((name) => {
  const tables = Object.entries(D.tables).filter(([key]) => key.endsWith(`|week|${name}`)).map(([, { keys }]) => keys);
  return [name, [...new Set(tables.flat().map(([key]) => key))].filter((key) => key !== OTHER).sort()];
}));

function toolbar() {
  const page = state.page.name, option = (value, text) => h("option", { value }, text);
  $("pages").replaceChildren(...PAGES.map((one) => h("li", {}, h("a", { href: hashFor({ page: one }), "aria-current": one.name === page ? "page" : undefined }, one.title))));
  $("presets").replaceChildren(...Object.entries(PRESETS).map(([size, weeks]) => h("button", {
    type: "button", "data-pick": size, title: W.presetTitle(Number(size), weeks), "aria-pressed": String(Number(size) === state.preset), on: { click: () => go({ preset: Number(size) }) },
  }, size)));
  $("fold").hidden = page === "definitions" || !D.run;
  $("fold-now").textContent = W.foldNow(rangeText(state.from, state.to), state.filters.length);
  showDays();
  const dimension = $("dimension"), member = $("member"), open = FILTERS.filter((name) => members[name].length && !state.filters.some(([other]) => other === name));
  dimension.replaceChildren(option("", W.everything), ...open.map((name) => option(name, NAMES[name])));
  dimension.onchange = () => {
    const name = dimension.value;
    member.disabled = !name;
    member.replaceChildren(...(name ? [option("", W.choose), ...members[name].map((key) => option(key, label(name, key)))] : []));
  };
  dimension.onchange();
  member.onchange = () => member.value && pick(dimension.value, member.value);
  $("compare").replaceChildren(...COMPARISONS.map((name) => option(name, W[name])));
  $("compare").value = state.compare;
  const chip = ([name, value]) => h("button", { type: "button", "aria-label": W.removeFilter(NAMES[name], label(name, value)), on: { click: () => pick(name, value) } }, `${NAMES[name]}: ${label(name, value)} ×`);
  $("chips").replaceChildren(...state.filters.map((filter) => h("li", {}, chip(filter))));
}

function showDays() {
  for (const id of D.last_day ? ["from", "to"] : []) Object.assign($(id), { min: D.first_day, max: D.last_day, value: iso(state[id]) });
}

function banner() {
  const lines = D.notice ? [["stop", D.notice]] : [], stale = Math.floor((Date.now() - (LAST + 1) * DAY) / 36e5);
  if (!D.run) lines.push(["", W.nothingPublished]);
  else if (!D.status.oldest_day) lines.push(["", W.emptyLake]);
  else if (!D.last_day) lines.push(["", W.nobodyPasses(D.rule.accounts)]);
  else if (stale >= 50) lines.push(["stop", W.old(plain.format(stale))]);
  else if (stale >= 26) lines.push(["", W.late(stale)]);
  $("banner").replaceChildren(...lines.map(([kind, text]) => h("p", { class: kind }, text)));
}

function draw() {
  const began = performance.now(), refocus = focusHeld();
  readHash(); watcher.disconnect();
  live.forEach(({ chart }) => chart?.dispose()); live.clear();
  toolbar(); banner();
  const { name, title, lead, tiles, charts } = state.page;
  document.title = `${title} · ${D.title}`; $("title").textContent = title; $("lead").textContent = lead; $("brand").textContent = D.title;
  $("range-note").textContent = D.last_day ? W.closed(longDay.format(days(LAST)), D.rule.accounts) : "";
  if (kept.page !== name) { kept.page = name; kept.tables.clear(); kept.sorts.clear(); }
  $("tiles").replaceChildren(...tiles.map(tile));
  $("unusual").replaceChildren(unusualBox());
  $("charts").replaceChildren(...charts.map(card));
  document.querySelectorAll("#fixed > *").forEach((part) => { part.hidden = part.dataset.page !== name; });
  $("credit").textContent = W.credit(D.status.geo?.credit);
  if (state.chart) reach(state.chart);
  else refocus();
  fitAll();
  Object.assign(document.documentElement.dataset, { drawn: Math.round(performance.now() - began), page: name });
}
// Whoever works by keyboard goes on where they were, though what had the focus is drawn anew: at the
// same button, or else at its chart; or at the choice of filters, where a filter was set or taken away.
function focusHeld() {
  const at = document.activeElement, box = at?.closest("[data-kind], #presets, #chips, #bar")?.id, name = at?.dataset.pick ?? at?.getAttribute("aria-label");
  return () => {
    if (!box || (at.isConnected && !at.disabled)) return;
    const same = name && $(box)?.querySelector(`[data-pick="${CSS.escape(name)}"], [aria-label="${CSS.escape(name)}"]`);
    const place = same || ($(box)?.dataset.kind ? $(box) : $("fold").open ? $("dimension") : $("fold").querySelector("summary"));
    place.focus({ preventScroll: true });
  };
}
function reach(chart) {
  const box = $(chart);
  box?.scrollIntoView({ block: "start" });
  box?.focus({ preventScroll: true });
}

const dark = matchMedia("(prefers-color-scheme: dark)"), paper = matchMedia("print"), choice = $("theme");
function theme() {
  document.documentElement.dataset.theme = paper.matches ? "light" : choice.value || (dark.matches ? "dark" : "light");
  live.forEach((one) => { one.option = null; one.chart?.setOption(one.again(), { notMerge: true }); });
}
// The layout of an A4 page is there before the browser prints, so that charts take its sizes.
function onPaper() {
  document.documentElement.classList.add("paper");
  $("printed").textContent = W.printed(location.href, iso(Math.floor(Date.now() / DAY)));
  theme();
  live.forEach((_, plot) => fit(plot));
}
const remember = (act) => { try { return act(); } catch { return null; /* a file without storage keeps the system's theme */ } };
choice.value = remember(() => localStorage.getItem("theme")) ?? "";
choice.addEventListener("change", () => { remember(() => localStorage.setItem("theme", choice.value)); redrawTheme(); });
const redrawTheme = () => { theme(); draw(); }; // Cells of tables have colours of their own.
dark.addEventListener("change", redrawTheme);
function offPaper() {
  document.documentElement.classList.remove("paper");
  theme();
}
paper.addEventListener("change", () => (paper.matches ? onPaper() : offPaper()));
addEventListener("beforeprint", onPaper);
addEventListener("afterprint", offPaper);

$("bar").addEventListener("submit", (event) => event.preventDefault());
// A browser tells of every key in a date: what is typed counts with Enter or when the field is left.
let typing = false;
function takeDays() {
  typing = false;
  const from = dayOf($("from").value), to = dayOf($("to").value);
  if (from && to && (from !== state.from || to !== state.to)) go(rangeOf(from, to));
  showDays();
}
for (const id of ["from", "to"]) {
  $(id).addEventListener("keydown", ({ key }) => { if (key === "Enter") takeDays(); else if (key !== "Tab") typing = true; });
  $(id).addEventListener("change", () => { if (!typing) takeDays(); });
  $(id).addEventListener("blur", () => { if (typing) takeDays(); });
}
$("compare").addEventListener("change", () => go({ compare: $("compare").value }));
$("copy").addEventListener("click", async () => {
  const done = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  $("copied").textContent = done ? W.copied : W.notCopied;
});
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); });
document.addEventListener("click", ({ target }) => document.querySelectorAll("details.info[open]").forEach((one) => { if (!one.contains(target)) one.open = false; }));
$("fold").open = !narrow();
addEventListener("hashchange", () => {
  const { page } = state; draw();
  $("copied").textContent = "";
  if (page !== state.page && !state.chart) { scrollTo(0, 0); $("main").focus({ preventScroll: true }); }
});
theme(); draw();

// A served page follows its figures, but not under the hands of somebody who uses it.
let touched = 0;
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { touched = performance.now(); }, true);
if (D.live) setInterval(async () => {
  const stamp = await fetch("stamp").then((reply) => (reply.ok ? reply.text() : D.live), () => D.live);
  if (stamp !== D.live && (document.hidden || performance.now() - touched > 10_000)) location.reload();
}, 5000);
