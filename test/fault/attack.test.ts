/**
 * A program that tries every way out it knows, run in sandboxes as they are by default (test/fault/attack). Each attack must be held
 * off; that the attacks are real shows in a privileged sandbox, where they get through.
 */
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { type Attempt, placeAttacker, readAttempts } from "#test/lib/attacker.ts";
import { Box } from "#test/lib/command.ts";
import { busyboxImage, imagesUnavailable } from "#test/lib/images.ts";
import { Runtime } from "#test/lib/runtime.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("fault/attack");
/** What a privileged sandbox lets through on any kernel: mounts, namespaces, keyrings, modules, devices… */
const REAL = 30;

let box: Box | undefined;

test.before(async () => {
  if ((Box.unavailable() ?? imagesUnavailable()) !== undefined) return;
  box = new Box();
  const attacker = join(box.directory, "attacker");
  placeAttacker(attacker);
  await busyboxImage(box.root, { name: "attack", files: { "/bin/attacker": readFileSync(attacker) } });
});
test.after(() => box?.close());

/** Runs the attacker in a sandbox made with these flags. */
async function attack(t: TestContext, ...flags: readonly string[]): Promise<Attempt[]> {
  if (box === undefined) return t.skip(Box.unavailable() ?? imagesUnavailable() ?? "no box");
  const { code, stdout, stderr } = await box.lightv(["run", "--rm", ...flags, "attack", "/bin/attacker"], { timeoutMs: 120_000 });
  assert.is(code, 0, stderr);
  return readAttempts(stdout);
}

for (const [who, flags] of [
  ["as root", []],
  ["as another user", ["--user", "1000:1000"]],
  ["as root with the host's ids", ["--userns", "host"]],
  ["on the host's network in a user namespace", ["--network", "host", "--userns", "auto"]],
  ["on a read-only root", ["--read-only"]],
  ["with the host's network", ["--network", "host"]],
] as const)
  test(`${who}, no attack gets anywhere`, async (t) => {
    const attempts = await attack(t, ...flags);
    assert.equal(
      attempts.filter(({ reached }) => reached).map(({ line }) => line),
      [],
    );
  });

for (const [who, flags] of [
  ["as root", []],
  ["as another user, with limits", ["--user", "1000:1000", "--memory", "64m", "--pids-limit", "32"]],
] as const)
  test(`in a sandbox that was prepared ahead, ${who}, no attack gets anywhere`, async (t) => {
    if (box === undefined) return t.skip(Box.unavailable() ?? imagesUnavailable() ?? "no box");
    const runtime = await Runtime.start(t, box, "attack");
    const attempts = await attack(t, ...flags);
    assert.equal(
      attempts.filter(({ reached }) => reached).map(({ line }) => line),
      [],
    );
    assert.is((await runtime.status())?.taken, 1, "it was a prepared one");
  });

/** The host's first id of a running sandbox, as inspect says, and its program's ids as the host's /proc says. */
async function idsOf(own: Box, name: string): Promise<{ base: number; ids: number[] }> {
  const map = await own.ok("inspect", "-f", "{{json .HostConfig.IDMappings}}", name);
  const base = Number(/"UidMap":\["0:(\d+):65536"\]/.exec(map)?.[1]);
  const status = readFileSync(`/proc/${await own.ok("inspect", "-f", "{{.State.Pid}}", name)}/status`, "utf8");
  const ids = ["Uid", "Gid"].flatMap((key) => (new RegExp(`^${key}:(.*)$`, "m").exec(status)?.[1] ?? "").trim().split(/\s+/).map(Number));
  return { base, ids };
}

test("root inside is nobody of the host's, and no two sandboxes have an id in common", async (t) => {
  if (box === undefined) return t.skip(Box.unavailable() ?? imagesUnavailable() ?? "no box");
  const own = box;
  const names = ["one", "two", "three", "four"];
  for (const name of names) await own.ok("run", "-d", "--name", name, "attack", "sleep", "100");
  const all = await Promise.all(names.map((name) => idsOf(own, name)));
  for (const { base, ids } of all) {
    assert.ok(base >= 65_536, `its range begins at ${base}`);
    assert.equal(ids, Array(8).fill(base), "root inside");
  }
  const bases = all.map(({ base }) => base).sort((a, b) => a - b);
  bases.slice(1).forEach((base, i) => {
    assert.ok(base - (bases[i] ?? 0) >= 65_536, `ranges at ${bases.join(", ")}`);
  });
  await own.ok("rm", "-f", ...names);
});

test("a volume's files have the ids that were given inside, for every sandbox and on the disk", async (t) => {
  if (box === undefined) return t.skip(Box.unavailable() ?? imagesUnavailable() ?? "no box");
  const write = "touch /v/root /v/other && chown 1234:4321 /v/other";
  await box.ok("run", "--rm", "-v", "shared:/v", "attack", "sh", "-c", write);
  const seen = await box.ok("run", "--rm", "-v", "shared:/v", "attack", "busybox", "stat", "-c", "%u:%g", "/v/root", "/v/other");
  assert.is(seen, "0:0\n1234:4321");
  const { uid, gid } = statSync(join(box.root, "volumes/shared/_data/other"));
  assert.equal([uid, gid], [1234, 4321]);
});

/** A socket without a path, which everything in a network namespace can name. Closed with the test. */
async function listenAbstractly(t: TestContext): Promise<string> {
  const name = `lightv-attack-${process.pid}`;
  const server = createServer((socket) => socket.destroy());
  server.listen(`\0${name}`);
  await once(server, "listening");
  t.cleanup(() => {
    server.close();
  });
  return name;
}

test("with the host's network, its abstract sockets are out of reach behind Landlock", async (t) => {
  if (box === undefined) return t.skip(Box.unavailable() ?? imagesUnavailable() ?? "no box");
  if (Number(await box.ok("info", "-f", "{{.Landlock}}")) < 6) return t.skip("this kernel's Landlock has no scopes (Linux 6.12)");
  const name = await listenAbstractly(t);
  const reached = (attempts: Attempt[]) => attempts.filter(({ reached }) => reached).map((attempt) => attempt.name.split(" ")[0]);
  const flags = ["--network", "host", "-e", `ATTACK_SOCKET=${name}`];
  assert.equal(reached(await attack(t, ...flags)), []);
  assert.equal(reached(await attack(t, ...flags, "--security-opt", "landlock=off")), ["abstract"], "without it they are");
});

test("the attacks are real: a privileged sandbox lets them through", async (t) => {
  const through = (await attack(t, "--privileged")).filter(({ reached }) => reached);
  assert.ok(through.length >= REAL, `only ${through.length} of them:\n${through.map(({ line }) => line).join("\n")}`);
});
