import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { putDevice } from "#fleet/store/devices.ts";
import { dropEvents, findGaps, listEvents, takeEvents } from "#fleet/store/events.ts";
import { hashSecret, makeSecret, secretMatches } from "#fleet/store/secrets.ts";
import { Store } from "#fleet/store/store.ts";
import { event } from "#test/lib/mqtt-device.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("fleet/store");

async function store(t: TestContext): Promise<{ store: Store; file: string }> {
  const directory = mkdtempSync(join(tmpdir(), "lightv-store-"));
  const file = join(directory, "fleet.db");
  const opened = await Store.open(file);
  t.cleanup(() => rmSync(directory, { recursive: true, force: true }));
  t.cleanup(() => opened.close());
  const row = { id: "a", password_hash: "", enrolled_by: "", enrolled_at: 0, architecture: "", agent_version: "" };
  await putDevice(opened.db, row);
  return { store: opened, file };
}

test("gaps are what is missing before and between, and nothing else", () => {
  assert.equal(findGaps(0, [1, 2, 3]), { acked: 3, gaps: [] });
  assert.equal(findGaps(3, [1, 2, 3]), { acked: 3, gaps: [] });
  assert.equal(findGaps(3, [3, 4, 4]), { acked: 4, gaps: [] });
  assert.equal(findGaps(0, [9, 5, 6]), {
    acked: 9,
    gaps: [
      { from: 1, to: 4 },
      { from: 7, to: 8 },
    ],
  });
  assert.equal(findGaps(7, []), { acked: 7, gaps: [] });
});

test("a transaction that throws leaves nothing", async (t) => {
  const { store: opened } = await store(t);
  const failed = await opened
    .transaction(async (db) => {
      await takeEvents(db, "a", [event(1)], 0);
      throw new Error("no");
    })
    .then(
      () => "committed",
      () => "rolled back",
    );
  assert.is(failed, "rolled back");
  assert.equal(await listEvents(opened.db, { after: 0, limit: 10 }), []);
});

test("transactions at once come one after the other", async (t) => {
  const { store: opened } = await store(t);
  await Promise.all(Array.from({ length: 20 }, (_, n) => opened.transaction((db) => takeEvents(db, "a", [event(n + 1), event(n + 2)], 0))));
  const events = await listEvents(opened.db, { after: 0, limit: 100 });
  assert.is(events.length, 21);
  assert.equal(events[0]?.data, { n: 1 });
});

test("old events are dropped only when they are acknowledged", async (t) => {
  const { store: opened } = await store(t);
  await takeEvents(opened.db, "a", [event(1)], 1000);
  await dropEvents(opened.db, 2000);
  assert.is((await listEvents(opened.db, { after: 0, limit: 10 })).length, 1);
});

test("what was written is there after it is opened again; a second one at once is refused", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "lightv-store-"));
  t.cleanup(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "fleet.db");
  const first = await Store.open(file);
  const row = { id: "b", password_hash: "", enrolled_by: "", enrolled_at: 0, architecture: "", agent_version: "" };
  await putDevice(first.db, row);
  const refusal = await Store.open(file).then(
    (second) => second.close(),
    (error: unknown) => String(error),
  );
  assert.match(String(refusal), /in use by another/);
  await first.close();
  const again = await Store.open(file);
  t.cleanup(() => again.close());
  await takeEvents(again.db, "b", [event(1)], 0);
});

test("a secret matches its own hash only", () => {
  const secret = makeSecret("x_");
  assert.ok(secretMatches(secret, hashSecret(secret)));
  assert.not(secretMatches(makeSecret("x_"), hashSecret(secret)));
  assert.not(secretMatches(secret, ""));
  assert.ok(secret.length >= 45);
});
