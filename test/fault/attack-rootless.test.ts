/** The attacks of fault/attack from sandboxes of an ordinary user: what holds for root's holds for his. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { placeAttacker, readAttempts } from "#test/lib/attacker.ts";
import { busyboxImageFile, imagesUnavailable } from "#test/lib/images.ts";
import { OrdinaryUser } from "#test/lib/ordinary-user.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("fault/attack-rootless");

let user: OrdinaryUser | undefined;
let image = "";

test.before(async () => {
  if ((OrdinaryUser.unavailable() ?? imagesUnavailable()) !== undefined) return;
  user = new OrdinaryUser();
  image = join(user.directory, "attack.lv");
  const attacker = join(user.directory, "attacker");
  placeAttacker(attacker);
  await busyboxImageFile(image, { name: "attack", files: { "/bin/attacker": readFileSync(attacker) } });
  chmodSync(image, 0o644);
});
test.after(() => user?.close());

function need(t: TestContext): OrdinaryUser {
  return user ?? t.skip(OrdinaryUser.unavailable() ?? imagesUnavailable() ?? "no user");
}

for (const [who, flags] of [
  ["as root", []],
  ["as another user", ["--user", "1000:1000"]],
  ["on a read-only root", ["--read-only"]],
  ["with the host's network", ["--network", "host"]],
] as const)
  test(`${who}, no attack gets anywhere`, async (t) => {
    const { code, stdout, stderr } = await need(t).lightv(["run", "--rm", ...flags, image, "/bin/attacker"]);
    assert.is(code, 0, stderr);
    const reached = readAttempts(stdout).filter((attempt) => attempt.reached);
    assert.equal(
      reached.map(({ line }) => line),
      [],
    );
  });

test("with all rights over its own namespaces it gets none over the machine, nor at the user's files", async (t) => {
  const own = need(t);
  const secret = join(own.own("private"), "secret");
  writeFileSync(secret, "the user's", { mode: 0o644 });
  const script = [
    `for root in /proc/[0-9]*/root; do cat "$root${secret}" 2>/dev/null && echo reached; done`,
    "busybox mount -t proc none /mnt 2>/dev/null; busybox mount -t devtmpfs none /tmp 2>/dev/null && echo reached devtmpfs",
    "echo 0 > /proc/sys/kernel/panic 2>/dev/null && echo reached sysctl",
    "busybox mknod /tmp/disk b 8 0 2>/dev/null && echo reached disk",
    "busybox hostname other && echo only its own name",
  ];
  const ran = await own.lightv(["run", "--rm", "--privileged", image, "sh", "-c", script.join("; ")]);
  assert.is(ran.stdout, "only its own name\n", ran.stderr);
});
