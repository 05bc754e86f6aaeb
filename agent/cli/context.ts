/** What the verbs get from the process: so that tests can call them with their own. */
import type { Readable, Writable } from "node:stream";

export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly signal: AbortSignal;
  /** A name nobody else has. */
  readonly newId: () => string;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** Where the store is. */
export function rootOf({ env }: CliContext): string {
  return env.LIGHTV_ROOT || "/var/lib/lightv";
}

export function warner(context: CliContext, verb: string): (text: string) => void {
  return (text) => context.stderr.write(`lightv ${verb}: warning: ${text}\n`);
}
