/** A doctest program as an outcome. */
import { capture, type Outcome } from "./run-suites.ts";

/** doctest's own count, from its summary line; a sanitizer's report ends the process with another code. */
export async function doctest(name: string, program: string, args: readonly string[]): Promise<Outcome> {
  const env = { ...process.env, ASAN_OPTIONS: "detect_leaks=1:abort_on_error=0", UBSAN_OPTIONS: "print_stacktrace=1" };
  const { code, output } = await capture(program, [...args], undefined, env);
  const summary = /test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed/.exec(output);
  const [passed, failed] = [Number(summary?.[2] ?? 0), Number(summary?.[3] ?? 0)];
  const broken = (code !== 0 && failed === 0) || passed + failed === 0 ? 1 : 0;
  const skipped = [...output.matchAll(/^SKIPPED (.*)$/gm)].map((match) => `${name}: ${match[1]}`);
  return { name, passed: passed - skipped.length, failed: failed + broken, skipped, output: `${output}\nexit code ${code}` };
}
