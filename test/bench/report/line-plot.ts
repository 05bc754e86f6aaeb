/** Lines over a linear axis from zero, each with its name at its end. */
import { number } from "../measure/format.ts";
import type { LinePlot } from "../part.ts";
import { axis } from "./scale.ts";
import { element, picture, text } from "./svg.ts";

const WIDTH = 720;
const HEIGHT = 320;
const FRAME = { left: 64, right: 110, top: 52, bottom: 48 };
/** Names that come nearer than this are moved apart. */
const LINE_HEIGHT = 16;

export function linePlot({ title, x, y, lines }: LinePlot): string {
  const clean = lines.map((line) => ({ ...line, points: line.points.filter((point) => point.every(Number.isFinite)) }));
  const all = clean.flatMap(({ points }) => points);
  const [across, up] = [axis(Math.max(...all.map(([value]) => value), 0)), axis(Math.max(...all.map(([, value]) => value), 0))];
  const toX = (value: number): number => FRAME.left + (value / across.max) * (WIDTH - FRAME.left - FRAME.right);
  const toY = (value: number): number => HEIGHT - FRAME.bottom - (value / up.max) * (HEIGHT - FRAME.top - FRAME.bottom);
  const grid = up.ticks.flatMap((tick) => [
    element("line", { x1: FRAME.left, x2: WIDTH - FRAME.right, y1: toY(tick), y2: toY(tick), class: "grid" }),
    text(tickText(tick), { x: FRAME.left - 8, y: toY(tick) + 4, "text-anchor": "end" }),
  ]);
  const below = across.ticks.map((tick) => text(tickText(tick), { x: toX(tick), y: HEIGHT - FRAME.bottom + 20, "text-anchor": "middle" }));
  let free = Number.POSITIVE_INFINITY;
  const drawn = clean
    .filter(({ points }) => points.length > 0)
    .sort((a, b) => (b.points.at(-1)?.[1] ?? 0) - (a.points.at(-1)?.[1] ?? 0))
    .reverse()
    .flatMap(({ label, own, points }) => {
      const [endX, endY] = points.at(-1) ?? [0, 0];
      const at = Math.min(toY(endY) + 4, free - LINE_HEIGHT);
      free = at;
      const line = points.map(([a, b]) => `${toX(a).toFixed(1)},${toY(b).toFixed(1)}`).join(" ");
      return [
        element("polyline", { points: line, class: own ? "own-line" : "other-line" }),
        element("circle", { cx: toX(endX), cy: toY(endY), r: 3.5, class: own ? "own" : "other" }),
        text(label, { x: toX(endX) + 8, y: at, class: own ? "own-text" : "label" }),
      ];
    });
  const names = [
    text(title, { x: 12, y: 24, class: "title" }),
    text(y, { x: FRAME.left - 8, y: FRAME.top - 12, "text-anchor": "end" }),
    text(x, { x: WIDTH - FRAME.right, y: HEIGHT - 10, "text-anchor": "end" }),
  ];
  return picture(WIDTH, HEIGHT, title, [...names, ...grid, ...below, ...drawn]);
}

function tickText(value: number): string {
  return Number.isInteger(value) && value >= 100 ? number(value) : String(value);
}
