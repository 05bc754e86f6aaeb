/** The plots: well-formed, in proportion, and readable whatever the background. */
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import type { BarPlot, LinePlot } from "../../bench/part.ts";
import { barPlot } from "../../bench/report/bar-plot.ts";
import { linePlot } from "../../bench/report/line-plot.ts";
import { axis, niceStep } from "../../bench/report/scale.ts";
import { element, text } from "../../bench/report/svg.ts";

const test = suite("bench/svg");

const bars: BarPlot = {
  kind: "bars",
  name: "x",
  title: 'A < B & "C"',
  unit: "ms",
  bars: [
    { label: "lightv", value: 2, own: true },
    { label: "docker", value: 200, own: false },
    { label: "broken", value: Number.NaN, own: false },
  ],
};

const lines: LinePlot = {
  kind: "lines",
  name: "y",
  title: "Memory",
  x: "sandboxes",
  y: "MB",
  lines: [
    {
      label: "lightv",
      own: true,
      points: [
        [10, 5],
        [100, 50],
        [1000, 500],
      ],
    },
    {
      label: "docker",
      own: false,
      points: [
        [10, 70],
        [100, 500],
      ],
    },
    { label: "nothing", own: false, points: [] },
  ],
};

/** Throws unless every element that is opened is closed, in order. */
function elements(svg: string): string[] {
  const [open, names]: [string[], string[]] = [[], []];
  for (const [, close, name = "", empty] of svg.matchAll(/<(\/?)([a-z]+)(?:\s+[\w:-]+="[^"<&]*(?:&\w+;[^"<&]*)*")*(\/?)>/g)) {
    if (close === "/") assert.is(open.pop(), name);
    else {
      names.push(name);
      if (empty === "") open.push(name);
    }
  }
  assert.equal(open, []);
  assert.is(names.length, [...svg.matchAll(/<[a-z]/g)].length, "each < begins an element that is well-formed");
  return names;
}

const attribute = (svg: string, tag: string, name: string): number[] =>
  [...svg.matchAll(new RegExp(`<${tag}[^>]* ${name}="([\\d.]+)"`, "g"))].map(([, value]) => Number(value));

test("text and attributes are escaped, and no coordinate is NaN", () => {
  assert.is(text('<b> & "c"', { x: 1.25 }), '<text x="1.3">&lt;b&gt; &amp; &quot;c&quot;</text>');
  assert.throws(() => element("rect", { width: Number.NaN }), /no coordinate/);
});

test("bars are as long as their values say, and what was not measured has none", () => {
  const svg = barPlot(bars);
  elements(svg);
  const [own = 0, other = 0, ...more] = attribute(svg, "rect", "width");
  assert.equal(more, []);
  assert.ok(Math.abs(other / own - 100) < 3, `${other} / ${own}`);
  assert.match(svg, /A &lt; B &amp; &quot;C&quot;/);
  assert.match(svg, />200 ms</);
  assert.not.match(svg, /broken|NaN/);
});

test("lines go up where values do, and their names stand apart", () => {
  const svg = linePlot(lines);
  assert.is(elements(svg).filter((name) => name === "polyline").length, 2);
  const [own = ""] = [...svg.matchAll(/<polyline points="([^"]+)" class="own-line"/g)].map(([, points]) => points ?? "");
  const [first, second, third] = own.split(" ").map((pair) => pair.split(",").map(Number));
  assert.ok((first?.[1] ?? 0) > (second?.[1] ?? 0) && (second?.[1] ?? 0) > (third?.[1] ?? 0), "y goes down on the screen");
  const proportion = ((third?.[0] ?? 0) - (first?.[0] ?? 0)) / ((second?.[0] ?? 0) - (first?.[0] ?? 0));
  assert.ok(Math.abs(proportion - 11) < 0.2, `${proportion}`);
  const heights = ["lightv", "docker"].map((label) => Number(new RegExp(`<text x="[\\d.]+" y="([\\d.]+)"[^>]*>${label}<`).exec(svg)?.[1]));
  assert.ok(Math.abs((heights[0] ?? 0) - (heights[1] ?? 0)) >= 15, `both end at 500: ${heights}`);
});

test("plots of nothing are empty, not broken", () => {
  for (const svg of [barPlot({ ...bars, bars: [] }), linePlot({ ...lines, lines: [] })]) {
    elements(svg);
    assert.not.match(svg, /NaN|Infinity/);
  }
});

test("colours follow the reader's preference, and the background is left to the page", () => {
  const svg = barPlot(bars);
  assert.match(svg, /@media \(prefers-color-scheme: dark\)/);
  assert.not.match(svg, /#fff\b|#ffffff|white|black/);
});

test("axes end at or above the largest value, in round steps", () => {
  assert.equal([0.3, 1, 1.2, 2.1, 5.1, 70, 0].map(niceStep), [0.5, 1, 2, 5, 10, 100, 1]);
  assert.equal(axis(500), { max: 500, ticks: [0, 100, 200, 300, 400, 500] });
  assert.equal(axis(0.23).ticks, [0, 0.05, 0.1, 0.15, 0.2, 0.25]);
  for (const largest of [0.01, 3, 7.7, 99, 101, 12_345]) assert.ok(axis(largest).max >= largest);
});
