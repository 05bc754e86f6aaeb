/** Native tests as on kernels that lack something: test/native/without makes the calls fail as they would there. */
import { join } from "node:path";
import { doctest } from "./doctest.ts";
import type { Outcome } from "./run-suites.ts";

/** Where sandboxes are made, entered and ended. */
const SANDBOXES = ["missing*", "userns*", "engine*", "launch*", "exec*", "root*", "isolation*", "attach*", "CVE*"];
/** What looks at how many filters a process has: `without` adds one. */
const COUNTS_FILTERS = ["exec: joins every namespace*", "isolation: capabilities are those*"];
/** With a user namespace, whose ids the image needs mapped: "missing:" checks what their error says. */
const MAPPED = ["exec: works where setns*", "isolation: upper and work*", "isolation: binds*", "isolation: a user namespace*"];

interface Kernel {
  readonly without: string;
  readonly run: readonly string[];
  readonly not: readonly string[];
}

const KERNELS: readonly Kernel[] = [
  // The kernel says ELOOP of a magic link; the walk finds nothing there.
  { without: "openat2", run: SANDBOXES, not: [...COUNTS_FILTERS, "root: magic links*"] },
  { without: "clone3", run: SANDBOXES, not: COUNTS_FILTERS },
  { without: "erofs-file", run: SANDBOXES, not: COUNTS_FILTERS },
  { without: "idmap", run: SANDBOXES, not: [...COUNTS_FILTERS, ...MAPPED, "engine: where the store lies on an overlay*"] },
  { without: "userns", run: SANDBOXES, not: [...COUNTS_FILTERS, ...MAPPED, "engine: where the store lies on an overlay*"] },
  // No sandbox without pidfds; the error says so.
  { without: "pidfd", run: ["missing*"], not: [] },
  // What is unpacked on an overlay has no ids mapped.
  { without: "erofs", run: ["missing*", "engine*"], not: ["engine: where the store lies on an overlay*"] },
  { without: "openat2,clone3,idmap,userns,erofs-file", run: ["missing*", "launch*", "attach*"], not: [] },
];

export async function runOlderKernels(directory: string): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { without, run, not } of KERNELS) {
    const filters = [`-tc=${run.join(",")}`, ...(not.length === 0 ? [] : [`-tce=${not.join(",")}`])];
    const tests = [join(directory, "lightv-tests"), "--no-colors", ...filters];
    outcomes.push(await doctest(`native without ${without}`, join(directory, "without"), [without, "--", ...tests]));
  }
  return outcomes;
}
