/** Numbers as people read them. */

/** Three significant digits, no exponent; "-" for what was not measured. */
export function number(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "-";
  const magnitude = Math.abs(value);
  const digits = magnitude >= 100 || magnitude === 0 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3;
  const [whole = "", part] = value.toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return part === undefined ? grouped : `${grouped}.${part}`;
}

export function ratio(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? "-" : `${number(value)} x`;
}

export function megabytes(bytes: number): string {
  return number(bytes / 1e6);
}

/** A quotient; NaN when either was not measured. */
export function quotient(a: number | undefined, b: number | undefined): number {
  return a === undefined || b === undefined || b === 0 ? Number.NaN : a / b;
}

/** Keeps the figures that are numbers: a part that did not measure one does not claim it. */
export function known(figures: Readonly<Record<string, number | undefined>>): Record<string, number> {
  const entries = Object.entries(figures).filter((entry): entry is [string, number] => Number.isFinite(entry[1]));
  return Object.fromEntries(entries);
}
