// Which windows of a table a range holds. Totals are by day; breakdowns are by whole ISO weeks, and
// a preset of days is a number of whole weeks there.

const starts = (grain) => [...new Set(Object.entries(D.tables).filter(([name]) => name.split("|")[1] === grain)
  .flatMap(([, { at }]) => at))].filter((day) => day + SPAN[grain] - 1 <= LAST).sort((a, b) => a - b);
const PUBLISHED = { week: starts("week"), period: starts("period") };
const everyFrom = (first, last, step) => Array.from({ length: Math.max(0, Math.floor((last - first) / step) + 1) }, (_, at) => first + at * step);
const mondayFrom = (day) => day + (7 - weekday(day)) % 7;

function weeksOfRange() {
  const [first] = PUBLISHED.week, last = PUBLISHED.week.at(-1);
  if (nothing(last)) return [];
  if (state.preset) return everyFrom(Math.max(first, last - 7 * (PRESETS[state.preset] - 1)), last, 7);
  return everyFrom(Math.max(mondayFrom(state.from), first), Math.min(state.to - 6, last), 7);
}

// Whole key periods inside the range, or else the last one that ended by its end.
function periodsOfRange() {
  const ended = PUBLISHED.period.filter((day) => day + SPAN.period - 1 <= state.to);
  const inside = ended.filter((day) => day >= state.from);
  return inside.length ? inside : ended.slice(-1);
}

// What the pipeline counts of itself goes on into open days.
const openTo = (metric) => (isFact(metric) && state.to === LAST ? state.to + 3 : state.to);
function windowsOf({ metric, grain, cube }) {
  if (grain === "week") return weeksOfRange();
  if (grain === "period") return periodsOfRange();
  const last = Math.min(openTo(metric), Math.max(state.to, ...cube.at));
  return everyFrom(Math.max(state.from, FIRST ?? state.from), last, 1);
}

// The windows that they are compared with; null where there is nothing to compare.
function shiftOf({ grain }, windows) {
  if (state.compare === "none" || !windows.length) return null;
  const length = (grain === "day" ? state.to - state.from + 1 : windows.length * SPAN[grain]);
  if (state.compare === "previous") return length;
  return length > 28 ? null : 28;
}

// Weeks and key periods are few: some before the range are drawn as well, pale.
function withContext({ grain, cube }, windows) {
  if (grain === "day" || !windows.length) return windows;
  const known = PUBLISHED[grain].filter((day) => cube.at.includes(day) && day < windows[0]);
  const missing = Math.max(0, (grain === "week" ? 8 : 4) - windows.length), context = known.slice(-missing || known.length);
  return missing && context.length ? [...everyFrom(context[0], windows[0] - SPAN[grain], SPAN[grain]), ...windows] : windows;
}

const windowText = (day, grain) => (grain === "day" ? longDay.format(days(day)) : rangeText(day, day + SPAN[grain] - 1));
const rangeText = (from, to) => `${dayText.format(days(from))} – ${longDay.format(days(to))}`;
function windowsText(grain, windows) {
  if (!windows.length) return "";
  return grain === "day" ? rangeText(windows[0], windows.at(-1))
    : noted(many(windows.length, grain === "week" ? "whole week" : W.keyPeriodName), rangeText(windows[0], windows.at(-1) + SPAN[grain] - 1));
}
const isOpen = (metric, day) => isFact(metric) && day > LAST;
