/** The native tests of sandboxes, limits and clean-up, on a device's own kernel: 6.1, cgroup v2, images over loop devices. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { TOP } from "#test/lib/command.ts";
import { suite } from "#test/lib/suite.ts";
import { asService, LEFT_BEHIND } from "./lib/as-service.ts";
import { Machine } from "./lib/machine.ts";
import { rootFs } from "./lib/rootfs.ts";
import { LONG, PLATFORM, say } from "./lib/scenario.ts";

const test = suite(`system/${PLATFORM}/native`);
/** Made by `npm run package -- tests`. */
const BINARY = process.env.LIGHTV_SYSTEM_TESTS ?? join(TOP, "build", `tests-${PLATFORM}`, "lightv-tests");

test(
  "every native test passes that does on the development machine",
  async (t) => {
    if (!existsSync(BINARY)) t.skip(`${BINARY} is not built: npm run package -- tests`);
    const base = await rootFs(PLATFORM, say);
    // The compiler's static programs are bigger than a small device's memory likes beside a hundred sandboxes' page tables.
    const machine = new Machine(base, { memory: 1024 });
    t.cleanup(() => machine.close());
    await machine.start();
    await machine.push(BINARY, "/root/lightv-tests");
    // With a terminal's absence and a short temporary directory.
    const unit = asService({ TMPDIR: "/tmp" }, LONG.timeoutMs / 1000);
    const { stdout, stderr, code } = await machine.run(`${unit} /root/lightv-tests --no-colors 2>&1`, LONG);
    const summary = /test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed/.exec(stdout);
    say(`${PLATFORM}, kernel ${await machine.ok("uname -r")}: ${summary?.[0] ?? `no summary, exit code ${code}`}`);
    for (const [, skipped] of stdout.matchAll(/^SKIPPED (.*)$/gm)) say(`skipped on the device: ${skipped}`);
    assert.is(code, 0, `${stdout.slice(-40_000)}${stderr}`);
    // Last, as with the profile in force tests that mount with all rights would be refused.
    await machine.push(join(TOP, "configs/sandbox/apparmor-lightv-default"), "/root/lightv-default");
    await machine.ok("apparmor_parser --replace /root/lightv-default");
    const confined = await machine.ok(`${unit} /root/lightv-tests --no-colors -tc='apparmor*' 2>&1`, LONG);
    assert.not.match(confined, /SKIPPED/, confined);
    assert.is(await machine.ok(LEFT_BEHIND), "", "nothing is left behind");
  },
  LONG,
);
