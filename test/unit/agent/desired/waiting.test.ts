import * as assert from "uvu/assert";
import { withWaiting } from "#agent/desired/waiting.ts";
import type { Desired } from "#agent/wire/protocol/desired.ts";
import type { AppReport } from "#agent/wire/protocol/reported.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/desired/waiting");
const digest = (digit: number): string => `sha256:${String(digit).repeat(64)}`;

function desired(revision: number, apps: Readonly<Record<string, number>>): Desired {
  const list = Object.entries(apps).map(([name, version]) => ({
    name,
    image: { name: `${name}:${version}`, digest: digest(version), size: 1 },
  }));
  return { revision, issuedAt: "2026-11-25T10:00:00Z", apps: list };
}

const running = (name: string, reason = ""): AppReport => ({
  name,
  phase: "running",
  reason,
  revision: 1,
  imageDigest: digest(1),
  restarts: 0,
  health: "none",
});

test("nothing waits: reports are as they are", () => {
  assert.equal(withWaiting([running("a")], desired(1, { a: 1 }), undefined), [running("a")]);
});

test("each app that the waiting state adds, changes or takes away says why it does not come; the others say nothing", () => {
  const reports = [running("same"), running("changed"), running("gone", "told before")];
  const waiting = { desired: desired(2, { same: 1, changed: 2, new: 3 }), reason: "LV_DISK_FULL: no room" };
  const told = withWaiting(reports, desired(1, { same: 1, changed: 1, gone: 1 }), waiting);
  const why = "revision 2 is not taken yet: LV_DISK_FULL: no room";
  assert.equal(
    told.map(({ name, phase, reason, revision }) => [name, phase, reason, revision]),
    [
      ["same", "running", "", 1],
      ["changed", "running", why, 1],
      ["gone", "running", `${why}; told before`, 1],
      ["new", "pending", why, 2],
    ],
  );
  assert.is(told[3]?.imageDigest, digest(3));
});

test("a reason stays within what a report may hold", () => {
  const waiting = { desired: desired(2, { a: 2, b: 1 }), reason: "x".repeat(3000) };
  for (const { reason } of withWaiting([running("a")], desired(1, { a: 1 }), waiting)) assert.is(reason.length, 1024);
});
