/** The tests of the command, and the attacks, on a device's own kernel: 6.1, cgroup v2, images over loop devices, the package as installed. */
import * as assert from "uvu/assert";
import { count } from "#test/lib/run-suites.ts";
import { carry } from "./lib/carried.ts";
import { Machine } from "./lib/machine.ts";
import { installedDisk } from "./lib/packages.ts";
import { rootFs } from "./lib/rootfs.ts";
import { LONG, PLATFORM, say, scenarios } from "./lib/scenario.ts";

const FILES = [
  "fault/attack",
  "integration/cli/run",
  "integration/cli/prepared",
  "integration/cli/security",
  "integration/cli/manage",
  "integration/cli/look",
  "integration/cli/terminal",
];
const THERE = "/root/lightv";

const test = scenarios("carried");
let machine: Machine;
let bundleOf: (file: string) => string;
let environment = "";

test.before(async () => {
  const base = await rootFs(PLATFORM, say);
  machine = new Machine(base, { memory: 1024, disk: { overlayOf: await installedDisk(base, say) } });
  await machine.start();
  const carried = await carry(PLATFORM, FILES);
  bundleOf = carried.bundleOf;
  environment = [`LIGHTV_TEST_ATTACKER=${THERE}/${carried.attacker}`, `LIGHTV_TEST_PATIENCE=${machine.patience}`, "HOME=/root"]
    .map((pair) => `-E ${pair}`)
    .join(" ");
  await machine.push(carried.directory, THERE);
  await machine.ok(`ln -s /usr ${THERE}/dist`);
});
test.after(() => machine?.close());

for (const file of FILES)
  test(
    `${file}: all that passes on the development machine`,
    async () => {
      // In a group of its own that is handed down whole, as a service's would be.
      const unit = `systemd-run --quiet --wait --pipe --collect -p Delegate=yes -p KillMode=mixed -p TasksMax=infinity ${environment}`;
      const { code, stdout } = await machine.run(`${unit} /usr/lib/lightv/node ${THERE}/${bundleOf(file)} 2>&1`, LONG);
      const outcome = count(file, code, stdout);
      say(`${file}: ${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped.length} skipped`);
      for (const reason of outcome.skipped) say(`skipped on the device: ${reason}`);
      assert.is(outcome.failed, 0, outcome.output.slice(-20_000));
      assert.ok(outcome.passed > 0, "something has run");
      const left = await machine.ok("losetup -a; mount | grep -e erofs -e lightv-box || true; ls -d /tmp/lightv-* 2>/dev/null || true");
      assert.is(left, "", "nothing is left behind");
    },
    LONG,
  );
