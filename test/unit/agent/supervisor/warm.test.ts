/** What shall be prepared, from the desired state. */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { hashOf } from "#agent/supervisor/spec.ts";
import { wishesOf, writeWishes } from "#agent/supervisor/warm.ts";
import { app, digest } from "#test/lib/agent-rig.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/warm");

test("wishes add up by image; what no prepared sandbox can be wishes in vain", () => {
  const apps = [
    app("a", 1, { warm: 2 }),
    app("b", 1, { warm: 3 }),
    app("c", 2),
    app("d", 3, { warm: 1, network: "host" }),
    app("i", 3, { warm: 1, userns: "host" }),
    app("e", 4, { warm: 1, mounts: [{ target: "/data" }] }),
    app("f", 5, { warm: 1, readOnly: true }),
    app("g", 6, { warm: 1 }),
  ];
  assert.is(wishesOf(apps), `${digest(1)} 5\n${digest(6)} 1\n`);
});

test("the file is written when wishes change, and only then; without any there is none", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "lightv-warm-"));
  t.cleanup(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "warm");
  await writeWishes(file, [app("a", 1)]);
  assert.throws(() => statSync(file), /ENOENT/);
  await writeWishes(file, [app("a", 1, { warm: 2 })]);
  assert.is(readFileSync(file, "utf8"), `${digest(1)} 2\n`);
  const { ino } = statSync(file);
  await writeWishes(file, [app("a", 1, { warm: 2 })]);
  assert.is(statSync(file).ino, ino);
  await writeWishes(file, []);
  assert.is(readFileSync(file, "utf8"), "");
});

test("a change of the wish makes no new version", () => {
  assert.is(hashOf(app("a", 1, { warm: 2 })), hashOf(app("a", 1)));
});
