/** One error class: what failed, on what, and what to do next, under a stable code (agent/wire/codes.ts). */
import type { Code } from "#agent/wire/codes.ts";

export class LightvError extends Error {
  readonly code: Code;
  /** What the user can do next. */
  readonly hint: string | undefined;

  constructor(code: Code, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "LightvError";
    this.code = code;
    this.hint = options.hint;
  }
}

/** Narrowing by code; without a code, by class. */
export function isLightvError(error: unknown, code?: Code): error is LightvError {
  return error instanceof LightvError && (code === undefined || error.code === code);
}

/** The errno name of a Node error ("ENOENT"), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Any thrown value as one line for people. */
export function messageOf(error: unknown): string {
  if (error instanceof LightvError) return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  return error instanceof Error ? error.message : String(error);
}
