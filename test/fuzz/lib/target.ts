/** What a fuzz target of the agent's TypeScript is, as libFuzzer's LLVMFuzzerTestOneInput is one of C++. */

export interface FuzzTarget {
  /** Takes any bytes. Throws for what must not be: anything but a refusal that its reader is allowed. */
  readonly run: (bytes: Buffer) => Promise<void> | void;
  /** Words that inputs of this kind are made of. */
  readonly words: readonly string[];
  /** Only code of these folders counts as new. */
  readonly covers: readonly string[];
  readonly maxBytes: number;
}

/** Bytes in pieces, none of which fits the structure of what is read. */
export async function* pieces(bytes: Buffer, size = 701): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** For what a reader has to hold of what it has taken. */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`taken, and does not hold: ${what}`);
}
