/** The verbs that change: stop, kill, pause, rename, update, rm, exec, and those of images. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { CliFixture } from "./fixture.ts";

const test = suite("cli/manage");
const fixture = new CliFixture();
const { box } = fixture;
test.before(() => fixture.start());
test.after(() => fixture.stop());

const status = (name: string) => box.ok("inspect", "-f", "{{.State.Status}}", name);

test("exec runs in the sandbox's own root, and gives streams and exit code", async (t) => {
  fixture.need(t);
  await box.ok("run", "-d", "--name", "host", "-e", "A=1", "box", "sleep", "100");
  assert.is(await box.ok("exec", "host", "cat", "/inside"), "the image's own file");
  assert.is(await box.ok("exec", "host", "ls", "/"), await box.ok("run", "--rm", "box", "ls", "/"));
  assert.is(
    await box.ok("exec", "-e", "B=2", "-w", "/tmp", "-u", "guest", "host", "sh", "-c", "echo $A $B; pwd; id -u"),
    "1 2\n/tmp\n1000",
  );
  assert.equal(await box.lightv(["exec", "host", "sh", "-c", "echo e >&2; exit 4"]), { code: 4, stdout: "", stderr: "e\n" });
  assert.is((await box.lightv(["exec", "-i", "host", "cat"], { input: "typed" })).stdout, "typed");
  assert.is((await box.lightv(["exec", "host", "nope"])).code, 127);
  assert.is((await box.lightv(["exec", "host", "/etc/passwd"])).code, 126);
  await box.ok("exec", "-d", "host", "sh", "-c", "echo done >/tmp/done");
  await fixture.until(
    "the detached program has run",
    async () => (await box.lightv(["exec", "host", "cat", "/tmp/done"])).stdout === "done\n",
  );
  await box.ok("rm", "-f", "host");
  const gone = await box.lightv(["exec", "host", "true"]);
  assert.equal(gone, { code: 1, stdout: "", stderr: "lightv exec: No such sandbox: host\n" });
});

test("stop asks, then kills; kill sends what it is told", async (t) => {
  fixture.need(t);
  // A signal before the shell has set its trap would end it.
  const trapping = async (name: string, trap: string): Promise<void> => {
    await box.ok("run", "-d", "--name", name, "box", "sh", "-c", `${trap}; echo trapped; while :; do sleep 0.1; done`);
    await fixture.until("the trap is set", async () => (await box.ok("logs", name)).includes("trapped"));
  };
  await trapping("polite", "trap 'exit 5' TERM");
  assert.is(await box.ok("stop", "polite"), "polite");
  assert.is(await box.ok("wait", "polite"), "5");
  await trapping("deaf", "trap '' TERM");
  await box.ok("stop", "-t", "1", "deaf");
  assert.is(await box.ok("wait", "deaf"), "137");
  await box.ok("start", "polite");
  await box.ok("kill", "-s", "INT", "polite");
  assert.is(await box.ok("wait", "polite"), "130");
  assert.match((await box.lightv(["kill", "-s", "NOPE", "polite"])).stderr, /invalid value "NOPE" for --signal/);
  await box.ok("rm", "polite", "deaf");
});

test("pause, unpause, rename and restart do what they say", async (t) => {
  fixture.need(t);
  await box.ok("run", "-d", "--name", "first", "box", "sleep", "100");
  await box.ok("pause", "first");
  assert.is(await status("first"), "paused");
  assert.match(await box.ok("ps", "--format", "{{.Status}}"), /\(Paused\)$/);
  await box.ok("unpause", "first");
  await box.ok("rename", "first", "second");
  const before = await box.ok("inspect", "-f", "{{.State.Pid}}", "second");
  await box.ok("restart", "-t", "0", "second");
  assert.is(await status("second"), "running");
  assert.is.not(await box.ok("inspect", "-f", "{{.State.Pid}}", "second"), before);
  await box.ok("rm", "-f", "second");
});

test("update changes only what is named", async (t) => {
  fixture.need(t);
  await box.ok("run", "-d", "--name", "tuned", "--memory", "64m", "--cpus", "1", "box", "sleep", "100");
  assert.is(await box.ok("update", "--memory", "32m", "--restart", "always", "tuned"), "tuned");
  assert.is(
    await box.ok("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}", "tuned"),
    `${32 << 20} 1000000000 always`,
  );
  await box.ok("update", "--cpus", "0.5", "tuned");
  assert.is(await box.ok("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}", "tuned"), `${32 << 20} 500000000`);
  assert.is((await box.lightv(["update", "tuned"])).code, 1);
  await box.ok("rm", "-f", "tuned");
});

test("update gives a tmpfs and /dev/shm another size, and says what can't be", async (t) => {
  fixture.need(t);
  await box.ok("run", "-d", "--name", "tuned", "--tmpfs", "/scratch:size=2m", "box", "sleep", "100");
  await box.ok("update", "--tmpfs", "/scratch:size=3m", "--shm-size", "1m", "tuned");
  const sizes = await box.ok("exec", "tuned", "busybox", "df", "-k", "/scratch", "/dev/shm");
  assert.equal(
    sizes
      .split("\n")
      .slice(1)
      .map((line) => Number(line.split(/\s+/)[1])),
    [3072, 1024],
  );
  assert.match((await box.lightv(["update", "--tmpfs", "/none:size=3m", "tuned"])).stderr, /tuned has no tmpfs at \/none/);
  assert.match((await box.lightv(["update", "--tmpfs", "/scratch:size=3m,ro", "tuned"])).stderr, /PATH:size=BYTES/);
  await box.ok("rm", "-f", "tuned");
});

test("rm refuses what runs, -f does not, and the rest of a list is done all the same", async (t) => {
  fixture.need(t);
  await box.ok("run", "-d", "--name", "alive", "box", "sleep", "100");
  await box.ok("create", "--name", "still", "box");
  const refused = await box.lightv(["rm", "nobody", "alive", "still"]);
  assert.is(refused.code, 1);
  assert.is(refused.stdout, "still\n");
  assert.match(refused.stderr, /No such sandbox: nobody\n[\s\S]*running/);
  assert.is(await box.ok("rm", "-f", "alive", "nobody"), "alive");
});

test("images are listed, tagged, verified and removed, but not while a sandbox uses them", async (t) => {
  fixture.need(t);
  await box.ok("tag", "box", "second:v1");
  assert.is(await box.ok("images", "--format", "{{.Repository}}:{{.Tag}}"), "box:latest\nsecond:v1");
  assert.is((await box.ok("images", "-q")).split("\n").length, 1);
  const [image] = JSON.parse(await box.ok("inspect", "--type", "image", "second:v1"));
  assert.equal(image.RepoTags, ["box:latest", "second:v1"]);
  assert.equal(image.Config.Cmd, ["sh"]);
  assert.match(await box.ok("verify", "box"), /^box: verified \d+ chunks, .*sha256:[0-9a-f]{64}$/);
  assert.is(await box.ok("rmi", "second:v1"), "Untagged: second:v1");
  await box.ok("create", "--name", "user", "box");
  const used = await box.lightv(["rmi", "box"]);
  assert.is(used.code, 1);
  assert.match(used.stderr, /^lightv rmi: image box:latest is in use by sandbox [0-9a-f]{12} \(lightv rm /);
  await box.ok("rm", "user");
});

test("an IMAGE may be a file, and verify names a broken one", async (t) => {
  fixture.need(t);
  const path = join(box.root, "images", `${(await box.ok("images", "--format", "{{.Digest}}")).replace(":", "-")}.lv`);
  const file = join(box.directory, "copy.lv");
  const { writeFileSync } = await import("node:fs");
  const bytes = readFileSync(path);
  writeFileSync(file, bytes);
  assert.is((await box.lightv(["run", "--rm", file, "echo", "from a file"])).stdout, "from a file\n");
  bytes[100_000] = (bytes[100_000] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  const broken = await box.lightv(["verify", file]);
  assert.is(broken.code, 1);
  assert.match(broken.stderr, /^lightv verify: .*chunk/);
});

test("system prune removes what has ended and asks first", async (t) => {
  fixture.need(t);
  await box.lightv(["run", "--name", "ended", "box", "true"]);
  await box.ok("run", "-d", "--name", "runs", "box", "sleep", "100");
  assert.match((await box.lightv(["system", "prune"])).stderr, /nothing was removed \(-f/);
  assert.match(await box.ok("system", "prune", "-f"), /^Removed sandbox: [0-9a-f]{16}\n/);
  assert.is(await box.ok("ps", "-a", "--format", "{{.Names}}"), "runs");
  await box.ok("rm", "-f", "runs");
});
