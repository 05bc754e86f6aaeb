/** The bar: 200 sandboxes started and removed, 20 at a time, leave nothing behind, on the machine or in the process that starts them. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import type { Native } from "#agent/sandbox/native.ts";
import { Box, DIST } from "#test/lib/command.ts";
import { busyboxImage } from "#test/lib/images.ts";
import { census, openFiles, settled } from "#test/lib/leaks.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("bars/churn");
const TOTAL = 200;
const AT_ONCE = 20;

/** Runs `work` for 0 to TOTAL-1, AT_ONCE at a time. */
async function churn(work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < TOTAL; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

test(
  "200 runs of the command, 20 at a time, leave no mount, cgroup, namespace, process or loop device",
  async (t) => {
    const reason = Box.unavailable();
    if (reason !== undefined) t.skip(reason);
    const box = new Box();
    t.cleanup(() => box.close());
    await busyboxImage(box.root, { name: "churn", cmd: ["/bin/busybox", "true"] });
    await box.ok("run", "--rm", "churn");
    await sleep(1000);
    const before = census();
    await churn(async (index) => {
      const flags = index % 2 === 0 ? ["--read-only"] : ["--memory", "32m", "--tmpfs", "/tmp"];
      const { code, stderr } = await box.lightv(["run", "--rm", ...flags, "churn"]);
      assert.is(code, 0, stderr);
    });
    assert.equal(await settled(before), []);
    assert.is(await box.ok("ps", "-aq"), "");
  },
  { timeoutMs: 300_000 },
);

test(
  "200 sandboxes through the addon, 20 at a time, leave no descriptor open in the process that started them",
  async (t) => {
    const addon = join(DIST, "lib/lightv/lightv.node");
    const reason = Box.unavailable() ?? (existsSync(addon) ? undefined : `${addon} is not built`);
    if (reason !== undefined) t.skip(reason);
    const box = new Box();
    t.cleanup(() => box.close());
    await busyboxImage(box.root, { name: "churn", cmd: ["/bin/busybox", "sleep", "1000"] });
    const native = createRequire(import.meta.url)(addon) as Native;
    const engine = native.openEngine({ root: box.root, run: box.runRoot, monitorBinary: box.binary });
    const once = async (): Promise<void> => {
      const id = await engine.create(JSON.stringify({ image: "churn", stopTimeoutMs: 1000 }));
      await engine.start(id);
      await new Promise<void>((resolve, reject) => {
        engine.watch(id, () => resolve());
        engine.kill(id, 9).catch(reject);
      });
      await engine.remove(id, true, false);
    };
    await once();
    await sleep(1000);
    const [before, filesBefore] = [census(), openFiles(process.pid)];
    await churn(once);
    assert.equal(await settled(before), []);
    assert.ok(openFiles(process.pid) <= filesBefore, `open files: ${filesBefore} before, ${openFiles(process.pid)} after`);
  },
  { timeoutMs: 300_000 },
);
