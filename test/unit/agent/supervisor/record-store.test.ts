import { DatabaseSync } from "node:sqlite";
import * as assert from "uvu/assert";
import { transaction } from "#agent/lib/sqlite.ts";
import { RECORD_SCHEMA, RecordStore } from "#agent/supervisor/record-store.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/supervisor record-store");

function storeOn(database: DatabaseSync): RecordStore {
  const store = new RecordStore(database);
  store.load();
  return store;
}

test("a change whose transaction comes to nothing is none, and can be made again", () => {
  const database = new DatabaseSync(":memory:");
  database.exec(RECORD_SCHEMA);
  const store = storeOn(database);
  store.update("web", (record) => ({ ...record, restarts: 1 }));
  const count = (): void => store.update("web", (record) => ({ ...record, restarts: record.restarts + 1 }));
  for (let attempt = 0; attempt < 3; attempt++)
    assert.throws(
      () =>
        transaction(database, () => {
          count();
          assert.is(store.get("web").restarts, 2, "seen within");
          throw new Error("database or disk is full");
        }),
      /full/,
    );
  assert.is(store.get("web").restarts, 1);
  transaction(database, count);
  assert.is(store.get("web").restarts, 2);
  assert.is(storeOn(database).get("web").restarts, 2, "on the disk too");
});

test("a first record whose transaction comes to nothing is not there", () => {
  const database = new DatabaseSync(":memory:");
  database.exec(RECORD_SCHEMA);
  const store = storeOn(database);
  assert.throws(() =>
    transaction(database, () => {
      store.update("web", (record) => ({ ...record, restarts: 1 }));
      throw new Error("full");
    }),
  );
  assert.is(store.all().size, 0);
});
