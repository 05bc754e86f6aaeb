/** Horizontal bars from zero, linear, with their values. */
import { number } from "../measure/format.ts";
import type { BarPlot } from "../part.ts";
import { element, picture, text } from "./svg.ts";

const WIDTH = 720;
const ROW = 26;
const TOP = 44;
const LABEL_END = 210;
const VALUE_WIDTH = 90;

export function barPlot({ title, unit, bars }: BarPlot): string {
  const shown = bars.filter(({ value }) => Number.isFinite(value));
  const most = Math.max(...shown.map(({ value }) => value), 0);
  const room = WIDTH - LABEL_END - VALUE_WIDTH;
  const rows = shown.flatMap(({ label, value, own }, i) => {
    const y = TOP + i * ROW;
    const length = most > 0 ? (value / most) * room : 0;
    return [
      text(label, { x: LABEL_END - 10, y: y + 15, "text-anchor": "end", class: own ? "own-text" : "label" }),
      element("rect", { x: LABEL_END, y, width: Math.max(1, length), height: ROW - 6, rx: 2, class: own ? "own" : "other" }),
      text(`${number(value)} ${unit}`, { x: LABEL_END + Math.max(1, length) + 8, y: y + 15, class: own ? "own-text" : "label" }),
    ];
  });
  return picture(WIDTH, TOP + shown.length * ROW + 8, title, [text(title, { x: 12, y: 24, class: "title" }), ...rows]);
}
