// What all drawn charts have in common: axes, tooltips, marks, colours.

const style = getComputedStyle(document.documentElement); // Live: it follows the theme.
const ink = (name) => style.getPropertyValue(`--${name}`).trim();
const tone = (number) => ink(`c${number}`);
const narrow = () => innerWidth < 600;

function frame(unit, xs) {
  return {
    animation: false, aria: { enabled: false },
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: ink("soft"), fontSize: 12 },
    grid: { left: 4, right: 14, top: 24, bottom: 2, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    tooltip: {
      trigger: "axis", renderMode: "richText", confine: true, padding: 10, textStyle: { color: ink("ink"), fontSize: 12.5 },
      backgroundColor: ink("card"), borderColor: ink("line"), borderWidth: 1,
      axisPointer: { type: "line", lineStyle: { color: ink("axis"), type: "solid", opacity: 0.5 } },
    },
    xAxis: {
      type: "category", data: xs, axisTick: { show: false }, axisLine: { lineStyle: { color: ink("line") } },
      axisLabel: { color: ink("axis"), hideOverlap: true },
    },
    yAxis: {
      type: "value", splitNumber: 4, splitLine: { lineStyle: { color: ink("grid") } },
      axisLabel: { color: ink("axis"), formatter: (value) => show(value, unit, true) },
    },
  };
}

// A chart over time: its frame, with a tooltip that names the window and what is marked in it.
// `text` gives what is said of a series at a place.
function timeFrame(got, unit, starts, text) {
  const { grain, metric } = got, option = frame(unit, starts.map((day) => dayText.format(days(day))));
  const mondays = (at) => weekday(starts[at]) === 0 && (starts.length < 50 || Math.round((starts[at] - EPOCH_ORIGIN) / 7) % 2 === 0);
  option.xAxis.axisLabel.interval = starts.length <= 10 ? () => true : mondays;
  option.tooltip.formatter = (points) => {
    const at = points[0]?.dataIndex, day = starts[at];
    if (nothing(day)) return "";
    const lines = points.map((point) => text(point, at)).filter(Boolean);
    return [windowText(day, grain), ...lines, ...marksIn(metric, day, grain).map((mark) => `◆ ${mark.text}`)].join("\n");
  };
  return option;
}

// What is marked in a window: the notes of all charts, and what is unusual of this metric.
function marksIn(metric, day, grain) {
  const inside = (text) => dayOf(text) >= day && dayOf(text) < day + SPAN[grain];
  const notes = D.annotations.filter((note) => inside(note.day)).map(({ kind, text }) => ({ kind, brief: kind === "note" ? text : kind, text: `${kind}: ${text}` }));
  const odd = grain !== "day" ? [] : D.anomalies.filter((one) => one.metric === metric && inside(one.day));
  return [...notes, ...odd.map((one) => ({ kind: "automatic", brief: W.automatic, text: `${W.automatic}: ${unusualText(one)}` }))];
}
function unusualText({ metric, measure, value, usual }) {
  const { title, unit } = METRICS[metric];
  return W.unusual(noted(title, measure === "value" ? "" : measure).replace(" · ", ", "), show(value, unit), show(usual, unit));
}

// How wide the narrower charts of the page draw, about.
function plotWidth() {
  if (document.documentElement.classList.contains("paper")) return 260;
  return innerWidth > 900 ? (Math.min(innerWidth, 1320) - 70) / 2 - 90 : innerWidth - 110;
}

// Dashed lines: borders of key periods on charts of people; dotted: marked days, on all charts.
function marks(metric, starts, grain) {
  const { kind, population } = METRICS[metric], lines = [];
  const people = ["accounts", "share", "per_account"].includes(kind) || population.startsWith("people");
  const epoch = (day) => Math.floor((day - EPOCH_ORIGIN) / D.epoch_days);
  const mark = (at, type, color, formatter) => lines.push({ xAxis: at, lineStyle: { type, color }, label: { formatter } });
  starts.forEach((day, at) => {
    if (people && grain !== "period" && at > 0 && epoch(day) !== epoch(starts[at - 1])) mark(at, "dashed", ink("axis"), W.keyPeriod);
    for (const { kind: sort, brief } of marksIn(metric, day, grain)) mark(at, "dotted", sort === "incident" ? ink("bad") : ink("axis"), brief);
  });
  // Names that would run into each other are left out, those of incidents last; the tooltip has them all.
  const half = ({ label: { formatter } }) => formatter.length * 3 + 2, step = plotWidth() / Math.max(1, starts.length), named = [];
  const rank = ({ label: { formatter } }) => ["incident", "release"].indexOf(formatter) & 3;
  for (const line of [...lines].sort((one, other) => rank(one) - rank(other)))
    if (named.every((other) => Math.abs(other.xAxis - line.xAxis) * step > half(other) + half(line))) named.push(line);
  lines.forEach((line) => Object.assign(line.label, {
    show: named.includes(line), position: line.xAxis > starts.length * 0.8 ? "insideEndBottom" : "end", color: ink("soft"), fontSize: 11, rotate: 0, distance: 4,
  }));
  return { silent: true, symbol: "none", data: lines };
}

function hatched(colour) {
  const tile = Object.assign(document.createElement("canvas"), { width: 6, height: 6 }), pen = tile.getContext("2d");
  pen.strokeStyle = colour; pen.lineWidth = 1.6;
  for (const shift of [-6, 0, 6]) { pen.moveTo(shift, 6); pen.lineTo(shift + 6, 0); }
  pen.stroke();
  return { image: tile, repeat: "repeat" };
}

// A colour between the two ends of the scale, and the ink that is read on it.
function heatColour(share) {
  const [from, to] = [ink("low"), ink("high")].map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const mixed = from.map((part, at) => Math.round(part + (to[at] - part) * share));
  const light = add(mixed.map((part, at) => [0.2126, 0.7152, 0.0722][at] * (part <= 10 ? part / 3294 : ((part / 255 + 0.055) / 1.055) ** 2.4)));
  return { backgroundColor: `rgb(${mixed.join()})`, color: light > 0.179 ? "#000" : "#fff" };
}
