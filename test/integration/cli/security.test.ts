/** The options that say what a sandbox may: a profile of system calls of the user's own, and kernel settings. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { CliFixture } from "./fixture.ts";

const test = suite("cli/security");
const fixture = new CliFixture();
const { box } = fixture;
test.before(() => fixture.start());
test.after(() => fixture.stop());

const refusing = (...names: string[]): string =>
  JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names, action: "SCMP_ACT_ERRNO", errnoRet: 28 }] });
const FULL = /No space left on device/;

test("a profile holds for the start, each restart and exec, whatever becomes of its file", async (t) => {
  fixture.need(t);
  const file = join(box.directory, "profile.json");
  writeFileSync(file, refusing("mkdir", "mkdirat"));
  await box.ok("run", "-d", "--name", "own", "--security-opt", `seccomp=${file}`, "box", "sh", "-c", "busybox mkdir /x; sleep 100");
  writeFileSync(file, "{");
  const execed = await box.lightv(["exec", "own", "busybox", "mkdir", "/y"]);
  assert.is(execed.code, 1);
  assert.match(execed.stderr, FULL);
  await box.ok("restart", "-t", "0", "own");
  await fixture.until("both starts were refused", async () => {
    const { stderr } = await box.lightv(["logs", "own"]);
    return stderr.split(FULL).length === 3;
  });
  assert.match(await box.ok("inspect", "-f", "{{.HostConfig.SeccompProfile}}", "own"), /^sha256:[0-9a-f]{64}$/);
  await box.ok("rm", "-f", "own");
});

test("a profile that can't be used makes no sandbox, and says where it is wrong", async (t) => {
  fixture.need(t);
  const file = join(box.directory, "broken.json");
  const attempt = async (text: string) => {
    writeFileSync(file, text);
    const ran = await box.lightv(["create", "--name", "none", "--security-opt", `seccomp=${file}`, "box"]);
    assert.is(ran.code, 125);
    return ran.stderr;
  };
  assert.match(await attempt(""), /not JSON: line 1, column 1/);
  assert.match(await attempt('{\n "defaultAction": "SCMP_ACT_ALLOW"\n "syscalls": []}'), /not JSON: line 3, column \d+/);
  assert.match(await attempt(refusing("mkdir").replace("SCMP_ACT_ERRNO", "ERRNO")), /syscalls\[0\]\.action: must be one of/);
  assert.match(await attempt(`{"defaultAction":"SCMP_ACT_ALLOW"}${" ".repeat(200_000)}`), /File too large|EFBIG/);
  const missing = await box.lightv(["create", "--security-opt", "seccomp=/nothing/here.json", "box"]);
  assert.is(missing.code, 125);
  assert.match(missing.stderr, /No such file/);
  assert.is(await box.ok("ps", "-aq"), "");
});

test("--sysctl sets what is the sandbox's own, inspect shows it, and the rest is refused", async (t) => {
  fixture.need(t);
  const settings = ["--sysctl", "net.ipv4.ip_default_ttl=42", "--sysctl", "kernel.msgmax=4242"];
  assert.is(
    await box.ok("run", "--rm", ...settings, "box", "cat", "/proc/sys/net/ipv4/ip_default_ttl", "/proc/sys/kernel/msgmax"),
    "42\n4242",
  );
  await box.ok("create", "--name", "set", ...settings, "box");
  assert.equal(JSON.parse(await box.ok("inspect", "-f", "{{json .HostConfig.Sysctls}}", "set")), {
    "kernel.msgmax": "4242",
    "net.ipv4.ip_default_ttl": "42",
  });
  await box.ok("rm", "set");
  const refused = async (...args: string[]) => {
    const ran = await box.lightv(["run", "--rm", ...args, "box", "true"]);
    assert.is(ran.code, 125);
    return ran.stderr;
  };
  assert.match(await refused("--sysctl", "kernel.core_pattern=|/x"), /setting of the whole machine/);
  assert.match(await refused("--network", "host", "--sysctl", "net.ipv4.ip_forward=1"), /has the host's network/);
  assert.match(await refused("--sysctl", "net.ipv4.ip_forward"), /KEY=VALUE/);
  assert.match(await refused("--sysctl", "net.ipv4.no_such=1"), /sysctl/);
});
