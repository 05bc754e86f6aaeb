/** Takes a test's mount away once what runs on it has ended: a sandbox's teardown goes on for a moment after its answer. */
import { spawnSync } from "node:child_process";

const PATIENCE_MS = 10_000;
const PAUSE_MS = 50;

/** Throws with umount's own words when it is still in use then, or at once when it is anything else. */
export function unmount(directory: string): void {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const { status, stderr } = spawnSync("umount", [directory], { encoding: "utf8" });
    if (status === 0) return;
    if (!stderr.includes("busy") || performance.now() > end) throw new Error(`umount ${directory}: ${stderr.trim()}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
}
