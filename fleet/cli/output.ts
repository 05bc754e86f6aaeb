/** What the verbs print: tables as Docker's, sizes and ages for people, a progress bar on a terminal. */

export type Format = "table" | "json";

/** One JSON object a line, or a table: columns as wide as their widest cell, three spaces between. */
export function printRows<T>(format: Format, rows: readonly T[], columns: Readonly<Record<string, (row: T) => string>>): void {
  if (format === "json") {
    for (const row of rows) console.log(JSON.stringify(row));
    return;
  }
  console.log(table([Object.keys(columns), ...rows.map((row) => Object.values(columns).map((cell) => oneLine(cell(row))))]));
}

export function table(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((line) => (line[at] ?? "").length)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join("   ")
        .trimEnd(),
    )
    .join("\n");
}

/** A device's text must not steer the terminal. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, " ");
}

export function bytes(n: number): string {
  if (n < 1000) return `${n}B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = n;
  let unit = "";
  for (const next of units) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)}${unit}`;
}

/** "3 minutes ago", as Docker says it. */
export function ago(iso: string | null | undefined, now: number): string {
  if (iso === null || iso === undefined) return "never";
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  const [count, unit] =
    seconds < 90
      ? [seconds, "second"]
      : seconds < 5400
        ? [Math.round(seconds / 60), "minute"]
        : seconds < 129_600
          ? [Math.round(seconds / 3600), "hour"]
          : [Math.round(seconds / 86_400), "day"];
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
}

/** A bar on stderr when that is a terminal; nothing otherwise. */
export class Progress {
  readonly #title: string;
  readonly #quiet: boolean;
  #last = 0;

  constructor(title: string, quiet: boolean) {
    this.#title = title;
    this.#quiet = quiet || !process.stderr.isTTY;
  }

  show(done: number, total: number): void {
    const now = performance.now();
    if (this.#quiet || (done < total && now - this.#last < 100)) return;
    this.#last = now;
    const part = total === 0 ? 1 : done / total;
    const bar = "=".repeat(Math.round(part * 40)).padEnd(40);
    process.stderr.write(`\r${this.#title} [${bar}] ${bytes(done)}/${bytes(total)}`);
  }

  end(): void {
    if (!this.#quiet) process.stderr.write("\r\u001b[K");
  }
}
