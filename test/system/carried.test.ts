/** The tests of the command, and the attacks, on a device's own kernel: 6.1, cgroup v2, images over loop devices, the package as installed. */
import { join } from "node:path";
import * as assert from "uvu/assert";
import { count } from "#test/lib/run-suites.ts";
import { until } from "#test/lib/world.ts";
import { asService, LEFT_BEHIND } from "./lib/as-service.ts";
import { type Carried, carry } from "./lib/carried.ts";
import { Machine } from "./lib/machine.ts";
import { installedDisk } from "./lib/packages.ts";
import { rootFs } from "./lib/rootfs.ts";
import { PLATFORM, say, scenarios } from "./lib/scenario.ts";

/** What a device has no compiler, no ordinary user and no stopwatch for is left out: rootless, early-entry. */
const FILES = [
  "fault/attack",
  "integration/cli/run",
  "integration/cli/prepared",
  "integration/cli/security",
  "integration/cli/manage",
  "integration/cli/look",
  "integration/cli/terminal",
];
/** The only reason for which a test may be skipped there. */
const SKIPPED = /this kernel's Landlock has no scopes/;
const THERE = "/root/lightv";
/** Of one file; the device's channel gives a little more before it gives up. */
const SECONDS = 15 * 60;

const test = scenarios("carried");
let machine: Machine;
let carried: Carried;

test.before(async () => {
  const base = await rootFs(PLATFORM, say);
  machine = new Machine(base, { memory: 1024, disk: { overlayOf: await installedDisk(base, say) } });
  await machine.start();
  carried = await carry(PLATFORM, FILES, join(machine.directory, "carried"));
  await machine.push(carried.directory, THERE);
  await machine.ok(`ln -s /usr ${THERE}/dist`);
});
test.after(() => machine?.close());

for (const file of FILES)
  test(
    `${file} passes on the device as it does on the development machine`,
    async () => {
      const before = await machine.ok(LEFT_BEHIND);
      const environment = {
        HOME: "/root",
        LIGHTV_TEST_ATTACKER: `${THERE}/${carried.attacker}`,
        LIGHTV_TEST_PATIENCE: machine.patience,
      };
      const command = `${asService(environment, SECONDS)} /usr/lib/lightv/node ${THERE}/${carried.bundleOf(file)} 2>&1`;
      const { code, stdout } = await machine.run(command, { timeoutMs: (SECONDS + 30) * 1000 });
      const outcome = count(file, code, stdout);
      say(`${file}: ${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped.length} skipped`);
      assert.is(outcome.failed, 0, outcome.output.slice(-20_000));
      assert.equal(
        outcome.skipped.filter((reason) => !SKIPPED.test(reason)),
        [],
        "nothing else is skipped",
      );
      assert.ok(outcome.passed > 0, "something has run");
      // A loop device goes when the kernel has let go of the last mount.
      const clean = async (): Promise<true | undefined> => (await machine.ok(LEFT_BEHIND)) === before || undefined;
      await until("everything to be cleaned up", clean, 5000 * machine.patience);
    },
    { timeoutMs: (SECONDS + 180) * 1000 },
  );
