/** The program that tries every way out of a sandbox that it knows (test/fault/attack), and what it says. */
import { execFileSync } from "node:child_process";
import { copyFileSync, globSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { TOP } from "./command.ts";

/** Fewer lines than this, and the attacker has ended early. */
const ATTACKS = 86;

export interface Attempt {
  readonly name: string;
  readonly reached: boolean;
  readonly line: string;
}

/** Puts it there: where there is no compiler, the one that LIGHTV_TEST_ATTACKER names. */
export function placeAttacker(path: string): void {
  const built = process.env.LIGHTV_TEST_ATTACKER;
  if (built === undefined) buildAttacker(path, "g++");
  else copyFileSync(built, path);
}

/** Builds it as one static file. */
export function buildAttacker(path: string, compiler: string): void {
  const sources = join(TOP, "test/fault/attack");
  const files = globSync("*.cpp", { cwd: sources }).map((file) => join(sources, file));
  execFileSync(compiler, ["-std=c++20", "-O1", "-static", "-s", "-o", path, ...files]);
}

/** A line each. */
export function readAttempts(stdout: string): Attempt[] {
  const lines = stdout.split("\n").filter((line) => line !== "");
  assert.ok(lines.length >= ATTACKS, `only ${lines.length} attacks were made: ${lines.at(-1)}`);
  return lines.map((line) => ({ name: line.replace(/^\w+ /, ""), reached: line.startsWith("reached "), line }));
}
