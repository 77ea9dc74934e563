// What the page is given, and how numbers and dates are written for people.

const $ = (id) => document.getElementById(id);
const D = JSON.parse($("data").textContent);
const METRICS = Object.fromEntries(D.metrics.map((metric) => [metric.name, metric]));
const { page: PAGES, names: NAMES, filters: FILTERS } = D.layout;
const DAY = 864e5, EPOCH_ORIGIN = 19723; // 2024-01-01, a Monday
const SPAN = { day: 1, week: 7, period: D.epoch_days }, OTHER = "(other)";

const numbers = (options) => new Intl.NumberFormat(LANGUAGE, options);
const plain = numbers({ maximumFractionDigits: 1 });
const short = numbers({ notation: "compact", maximumSignificantDigits: 3 });
const percents = [0, 1, 2, 3].map((digits) => numbers({ style: "percent", maximumFractionDigits: digits }));
const dates = (format) => new Intl.DateTimeFormat(DATES, { timeZone: "UTC", day: "numeric", month: "short", ...format });
const dayText = dates({}), longDay = dates({ weekday: "short", year: "numeric" });
const country = new Intl.DisplayNames(LANGUAGE, { type: "region" });

const days = (number) => new Date(number * DAY);
const iso = (number) => days(number).toISOString().slice(0, 10);
const dayOf = (text) => (text ? Math.round(Date.parse(text) / DAY) : null);
const weekday = (number) => (days(number).getUTCDay() + 6) % 7;
const nothing = (value) => value === null || value === undefined || Number.isNaN(value);
const add = (list) => list.reduce((sum, value) => sum + value, 0);
const root2 = (list) => Math.sqrt(add(list.map((value) => value * value)));
const noted = (...notes) => notes.filter(Boolean).join(" · ");
const sentences = (...notes) => notes.filter(Boolean).join(" ");

const WHOLE = ["accounts", "sessions", "requests", "events"];
function show(value, unit, brief) {
  if (nothing(value)) return W.nothing;
  if (unit === "ratio") return percents[value > 0.98 && value < 1 ? 3 : value < 0.02 ? 2 : 1].format(value);
  if (unit === "ms" || unit === "s") return lasting(unit === "ms" ? value / 1000 : value);
  if (unit === "bytes") {
    const power = value < 1 ? 0 : Math.min(4, Math.floor(Math.log10(value) / 3));
    return `${plain.format(value / 1000 ** power)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
  }
  if (WHOLE.includes(unit)) value = Math.round(value);
  const text = brief && Math.abs(value) >= 1e4 ? short.format(value) : plain.format(value);
  return unit === "fps" || unit === "hours" ? `${text} ${W.units[unit]}` : text;
}

function lasting(seconds) {
  if (seconds < 1) return `${plain.format(Math.round(seconds * 1000))} ${W.units.ms}`;
  if (seconds < 90) return `${plain.format(seconds)} ${W.units.s}`;
  return seconds < 5400 ? `${plain.format(seconds / 60)} ${W.units.min}` : `${plain.format(seconds / 3600)} ${W.units.h}`;
}

// An uncertainty in the unit of its figure; of a share in percentage points.
function showSpread(spread, unit, brief) {
  if (unit !== "ratio") return show(Number(spread.toPrecision(2)), unit, brief);
  const points = spread * 100;
  return `${points >= 0.1 ? plain.format(points) : points >= 0.005 ? points.toFixed(2) : "<0.01"} ${W.points}`;
}

const low = (name) => (/^[A-Z]{2}/.test(NAMES[name]) ? NAMES[name] : (NAMES[name] ?? name).toLowerCase());
const SPELLED = ["feature", "component", "error_code", "end_reason", "reason", "field"];
const FIXED = { [OTHER]: W.other, "(not reported)": W.notReported, "(none)": W.nobody };
function label(dimension, key) {
  const own = (names) => (names && Object.hasOwn(names, key) ? names[key] : undefined), named = own(D.labels[dimension]) ?? own(FIXED);
  if (named) return named;
  if (dimension === "country" && /^[A-Z]{2}$/.test(key)) return key === "ZZ" ? W.unknown : country.of(key);
  if (!SPELLED.includes(dimension)) return key;
  const words = key.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

// A node: attributes, `on` for what it listens to, `style` for what depends on a figure.
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (name === "style") Object.assign(node.style, value);
    else if (value !== undefined && value !== false && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}
