/** A bar on a terminal; nothing where nobody looks. */
import type { CliContext } from "./context.ts";

const REDRAW_MS = 100;
const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** 1536 -> "1.5kB": powers of 1000, as Docker prints them. */
export function bytesText(bytes: number): string {
  let [value, unit] = [bytes, 0];
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toPrecision(3)}${UNITS[unit]}`;
}

export interface Progress {
  update(done: number, total: number): void;
  /** Takes the bar away. */
  end(): void;
}

export function progressBar(context: CliContext, label: string, quiet: boolean): Progress {
  const { stderr, now } = context;
  if (quiet || stderr.isTTY !== true) return { update: () => {}, end: () => {} };
  let drawnAt = Number.NEGATIVE_INFINITY;
  let drawn = false;
  return {
    update(done, total) {
      if (now() - drawnAt < REDRAW_MS && done < total) return;
      drawnAt = now();
      drawn = true;
      stderr.write(`\r\x1b[K${barText(label, done, total, stderr.columns ?? 80)}`);
    },
    end() {
      if (drawn) stderr.write("\r\x1b[K");
    },
  };
}

function barText(label: string, done: number, total: number, columns: number): string {
  const numbers = `${bytesText(done)}/${bytesText(total)}`;
  const width = Math.min(50, columns - label.length - numbers.length - 6);
  const share = total === 0 ? 1 : done / total;
  const filled = Math.max(0, Math.floor(share * width) - 1);
  const bar = width < 10 ? "" : `[${"=".repeat(filled)}>${" ".repeat(width - filled - 1)}] `;
  return `${label} ${bar}${numbers}`;
}
