// Every word that the script writes, in one place, so that a page in another language is another
// file like this. Titles and sentences of metrics come from the registry, those of pages and
// dimensions from the layout.

const LANGUAGE = "en", DATES = "en-GB";
const many = (number, noun) => `${number.toLocaleString(LANGUAGE)} ${noun}${number === 1 ? "" : "s"}`;
const both = (list) => list.join(" and ");

const W = {
  // The page's frame; the template names these by `data-word`.
  skip: "Skip to the figures", theme: "Theme", system: "System", light: "Light", dark: "Dark",
  range: "Days", from: "From", to: "To", filterBy: "Filter by", value: "Value", compare: "Compare with",
  fold: "Range, filters, comparison", copy: "Copy link", copied: "Link copied", notCopied: "Copy the address of this page",
  none: "Nothing", previous: "The time before", four: "Four weeks before",
  everything: "Everything", choose: "Choose", clear: "Clear filters",
  table: "Table", csv: "CSV", info: "About this figure", search: "Search routes",
  pages: "Pages", keyFigures: "Key figures", charts: "Charts", controls: "Time and filters", active: "Active filters",

  presetTitle: (days, weeks) => `${many(days, "day")}; breakdowns: ${many(weeks, "whole week")}`,
  removeFilter: (name, value) => `Remove filter ${name} ${value}`,
  filterTo: (name, value) => `Filter by ${name}: ${value}`,
  foldNow: (range, filters) => (filters ? `${range}, ${many(filters, "filter")}` : range),
  closed: (day, accounts) =>
    `Closed days to ${day}, UTC · groups of ${accounts} accounts or more · figures are perturbed by about ±2 accounts so that nobody can be singled out`,
  printed: (address, day) => `${address} · printed ${day}`,
  credit: (credit) => `${credit ? credit + " " : ""}Map: Natural Earth.`,

  // Banners.
  nothingPublished: "Nothing is published yet. Run the pipeline, then telemetry rollup, then telemetry dashboard build.",
  emptyLake: "The lake holds no events yet: start with telemetry run.",
  nobodyPasses: (accounts) => `Nothing passes the gate yet: a figure needs ${accounts} accounts in a closed day.`,
  old: (hours) => `These figures are old: the last day shown ended ${hours} hours ago.`,
  late: (hours) => `The last day shown ended ${hours} hours ago; a day is normally published within 26 hours.`,

  // Why there is no figure: in short, in words, the command to run.
  noData: "No data yet", publish: "Publish the closed days of the lake:", start: "The lake holds no events:",
  notCollected: "Not collected", noField: "The events do not carry this field.",
  noneOfThese: "None", nothingCounted: "Nothing counted",
  countedNone: "The pipeline has counted nothing of this kind in these days.",
  few: (accounts, percentiles) => `Fewer than ${accounts} accounts${percentiles ? " or 100 events" : ""}`,
  fewHere: (grain) => `No cell of this chart passes the gate in these ${grain}s: small cells are suppressed.`,
  fewOf: (label) => `${label} is not shown on its own in these weeks; it is part of Other.`,
  fewWhole: (grain) => `This chart, or a part that it is not shown without, does not pass the gate in any ${grain}.`,
  onlyLimits: (grain, accounts, range) =>
    `${range}: in each ${grain} fewer than ${accounts} accounts are on one side of this share, so only a limit is published.`,
  chooseWeek: "Choose a whole week", chooseWeekWords: "Breakdowns are published for whole ISO weeks, Monday to Sunday; this range holds none.",
  thisWeek: (text) => `Show ${text}`,
  noWhole: (name) => `No whole ${name} yet`,
  waitFor: (days, name) => `Published once all ${days} days of a ${name} are closed, if enough accounts are in it:`,

  // Notes of a chart: what the filters and the range do to it.
  filtered: (names) => `Filtered by ${both(names)}.`,
  byWeeks: "With a filter: by whole weeks.",
  refused: (names) => `Not published by ${both(names)}: all are shown.`,
  alsoRefused: (names) => `Not published by ${both(names)} as well.`,
  picked: (names) => `${both(names)} is highlighted.`,
  context: "Those before are drawn pale.",
  ownPeriod: (text) => `A key period is 28 days: ${text}.`,
  wholeWeeks: "By whole weeks, Monday to Sunday.",
  wholePeriods: (days) => `By whole key periods of ${days} days.`,
  open: "Hatched: the day is still open, its figure is not final.",
  broken: (limit) => `Where the line is broken, only a limit is published: ${limit}.`,
  band: "Shaded: twice the uncertainty.",
  logScale: "Log scale.",
  partly: (grain) => `Marked *: shown in some of the ${grain}s only, suppressed in the others.`,
  notDrawn: (number) => `${number} smaller not drawn; the table has them.`,
  stepsHidden: "further steps are suppressed: too few accounts",
  moreHidden: (amount) => `${amount} more in cells too small to show`,
  busiest: (when, amount, range) => `Mean of the days ${range}, UTC. Busiest: ${when} with ${amount}.`,
  firstWeek: "first week",
  cohorts: "Of the accounts of that age in the week before, the share that came again. The first week of a key period has no week before it.",
  ladder: "Share of the feature's first step, and sessions. Steps are closed: one counts only after all before it.",

  // How a number for a range was made.
  inWindows: (number, all, grain) => (number === all ? `in ${many(number, grain)}` : `in ${number} of ${many(all, grain)}`),
  overWindows: (number, grain) => `over ${many(number, grain)}`,
  meanOf: (number, grain) => (number === 1 ? `in one ${grain}` : `mean of ${many(number, grain)}`),
  medianOf: (number, grain) => (number === 1 ? `in one ${grain}` : `median of ${many(number, grain)}`),
  limited: (number, grain) => `${number} of them as a limit only`,
  lastOpen: "the last still open",
  under: (value) => `under ${value}`, over: (value) => `over ${value}`, atMost: (value) => `≤ ${value}`,
  uncertain: (value) => `±${value}`,

  // Comparisons.
  better: "better", worse: "worse", noEarlier: "No earlier time to compare with", notCompared: "", overlap: "Four weeks before overlaps the range",
  same: "= about the same", noise: (size) => `≈ within the noise, ±${size}`, before: "Before", change: "Change", points: "pp",

  // Marks.
  keyPeriod: "new key period", automatic: "automatic",
  unusual: (title, value, usual) => `${title} ${value}, usually ${usual}`,
  standsOut: "What stands out", standsOutWords: "Days that differ from the same weekday before by far more than usual. Marked automatically; an explanation is yours.",
  nothingUnusual: "Nothing unusual", usualDays: "Every day of this range is like the same weekday before.", more: (number) => `and ${number} more`,

  // Screen readers.
  tableOf: (title) => `Table: ${title}`, csvOf: (title) => `CSV: ${title}`, aboutOf: (title) => `About: ${title}`,
  figure: (title, say, marks) => `${title}: ${say}. ${marks}The table holds the figures.`,
  fromTo: (name, first, last) => `${name} from ${first} to ${last}`, on: (what, day) => `${what} on ${day}. `,
  largest: (name) => `largest: ${name}`, highest: (name) => `highest: ${name}`, countries: (number) => `${number} countries`,
  sorted: (name) => `Sort by ${name}`, noMap: "no data or suppressed", noRoute: "No route matches.",

  // Columns and cells.
  other: "Other, merged", notReported: "Not reported", nobody: "None", unknown: "Unknown",
  route: "Route", requests: "Requests", errors: "Error share", p50: "p50", p95: "p95", day: "Day", weekday: "Weekday", hour: "Hour", mean: "Mean",
  plusMinus: "±", weeks: "Weeks", ofFirst: "Of the first step", moreBands: (number) => `${number} more`, week: "Week", share: "Share",
  keyPeriodName: "key period", suppressed: (accounts) => `<${accounts} accounts`, nothing: "–",
  weekdays: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
  live: "New figures", units: { fps: "fps", hours: "h", ms: "ms", s: "s", min: "min", h: "h" },
};
