/** What a part of the bench gets, and what it gives: plain data, from which the documents are made (report/). */
import type { Arena } from "./arena/arena.ts";

export interface PartContext {
  readonly arena: Arena;
  readonly quick: boolean;
  readonly signal: AbortSignal;
  /** Tells a watcher what is going on. */
  say(text: string): void;
}

export interface Part {
  /** For --only, and the names of files. */
  readonly name: string;
  readonly title: string;
  /** Only run when asked for, by --long or --only. */
  readonly long?: boolean;
  run(context: PartContext): Promise<Measured>;
}

export interface Measured {
  /** How it was measured, and what is compared with what. Markdown. */
  readonly about: string;
  readonly tables: readonly Table[];
  readonly plots?: readonly Plot[];
  /** Single numbers that promises are judged by (report/bars.ts). Absent: not measured. */
  readonly figures: Readonly<Record<string, number>>;
  /** What was left out and why, what went wrong. */
  readonly notes?: readonly string[];
}

/** The first row is the head. */
export interface Table {
  readonly rows: readonly (readonly string[])[];
}

export interface BarPlot {
  readonly kind: "bars";
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly { readonly label: string; readonly value: number; readonly own: boolean }[];
}

export interface LinePlot {
  readonly kind: "lines";
  readonly name: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly { readonly label: string; readonly own: boolean; readonly points: readonly (readonly [number, number])[] }[];
}

export type Plot = BarPlot | LinePlot;

/** A part's result as it is kept in docs/benchmarks/results.json. */
export interface PartResult extends Measured {
  readonly name: string;
  readonly title: string;
  readonly at: string;
  readonly quick: boolean;
  readonly seconds: number;
  readonly machine: Machine;
}

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryMib: number;
  /** Distribution and kernel. */
  readonly system: string;
  readonly commit: string;
  readonly versions: readonly string[];
}
