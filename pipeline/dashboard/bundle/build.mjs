// Writes ../vendor: the charts bundle, the world map, the licences, and axe-core for the tests.
//   npm ci --ignore-scripts && npm run build
// Needs node and a package registry; nothing else in this repository does.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";
import { geoNaturalEarth1 } from "d3-geo";
import { geoProject } from "d3-geo-projection";
import { feature } from "topojson-client";

const vendor = new URL("../vendor/", import.meta.url);
const tests = new URL("../../../tests/browser/vendor/", import.meta.url);
const modules = new URL("node_modules/", import.meta.url);
mkdirSync(vendor, { recursive: true });
mkdirSync(tests, { recursive: true });

await build({
  entryPoints: ["charts.js"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "echarts",
  legalComments: "none",
  charset: "ascii",
  outfile: new URL("echarts.js", vendor).pathname,
});

// Natural Earth 1:110m, projected here so that the page draws plain coordinates. geoProject cuts
// every shape at the date line, so Russia and Fiji do not smear across the map.
const read = (path) => JSON.parse(readFileSync(new URL(path, modules)));
const alpha2 = new Map(
  read("i18n-iso-countries/codes.json").map(([two, , numeric]) => [numeric, two]),
);
const world = read("world-atlas/countries-110m.json");
const shapes = feature(world, world.objects.countries).features.filter(
  (shape) => shape.properties.name !== "Antarctica",
);
const whole = { type: "FeatureCollection", features: shapes };
const projection = geoNaturalEarth1().fitSize([2000, 1000], whole);
const features = [];
for (const shape of geoProject(whole, projection).features) {
  const parts =
    shape.geometry.type === "Polygon" ? [shape.geometry.coordinates] : shape.geometry.coordinates;
  const rings = parts
    .map((part) => part.map((ring) => thin(ring)).filter((ring) => ring.length > 3))
    .filter((part) => part.length);
  // Territories without an ISO number keep their shape and never have data.
  const code = alpha2.get(shape.id) ?? `~${shape.properties.name}`;
  features.push({
    type: "Feature",
    properties: { name: code },
    geometry: { type: "MultiPolygon", coordinates: rings },
  });
}

// Whole numbers, each point once in a row; the charts count upwards, the projection downwards.
function thin(ring) {
  const points = [];
  for (const [x, y] of ring) {
    const point = [Math.round(x), 0 - Math.round(y)];
    if (String(point) !== String(points.at(-1))) points.push(point);
  }
  return points;
}

writeFileSync(new URL("world.json", vendor), JSON.stringify({ type: "FeatureCollection", features }));
copyFileSync(new URL("echarts/LICENSE", modules), new URL("echarts.LICENSE.txt", vendor));
copyFileSync(new URL("echarts/NOTICE", modules), new URL("echarts.NOTICE.txt", vendor));
copyFileSync(new URL("zrender/LICENSE", modules), new URL("zrender.LICENSE.txt", vendor));
copyFileSync(new URL("tslib/LICENSE.txt", modules), new URL("tslib.LICENSE.txt", vendor));
copyFileSync(new URL("world-atlas/LICENSE", modules), new URL("world.LICENSE.txt", vendor));
copyFileSync(new URL("axe-core/axe.min.js", modules), new URL("axe.min.js", tests));
copyFileSync(new URL("axe-core/LICENSE", modules), new URL("axe.LICENSE", tests));
