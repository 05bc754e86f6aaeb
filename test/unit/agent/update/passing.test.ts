/** Which troubles an update is tried again after. */
import * as assert from "uvu/assert";
import { LightvError } from "#agent/lib/errors.ts";
import { openDatabase } from "#agent/lib/sqlite.ts";
import { isDevices, isDiskFull, mayPass } from "#agent/update/passing.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/update/passing");

function raised(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

test("a device's troubles pass, also when one of our errors says what they were met at; a payload's do not", () => {
  const errno = (n: number): Error => Object.assign(new Error("errno"), { errno: n });
  for (const n of [28, -28, -30, -5, -12]) {
    assert.ok(mayPass(errno(n)), `${n}`);
    assert.ok(mayPass(new LightvError("LV_INTERNAL", "can't write state.json", { cause: errno(n) })), `${n}`);
    assert.ok(mayPass(new LightvError("LV_IMAGE_BROKEN", "does not start", { cause: errno(n) })), `${n}`);
  }
  assert.ok(mayPass(new LightvError("LV_TIMEOUT", "the pull")));
  assert.not(mayPass(errno(-2)));
  assert.not(mayPass(new LightvError("LV_IMAGE_BROKEN", "no release.json")));
  assert.not(mayPass(new Error("a defect")));
  assert.equal([isDiskFull(errno(-28)), isDiskFull(errno(-5)), isDiskFull(new LightvError("LV_DISK_FULL", "full"))], [true, false, true]);
});

test("an outbox on a full disk passes, and asks for room", () => {
  const database = openDatabase(":memory:", "CREATE TABLE t (b BLOB)", { exclusive: false, cacheKib: 64 });
  database.exec("PRAGMA max_page_count = 4");
  const error = raised(() => database.exec("INSERT INTO t VALUES (zeroblob(100000))"));
  assert.equal([mayPass(error), isDiskFull(error)], [true, true]);
  database.close();
});

test("what keeps any version from starting is the device's: a held or broken database, a bad disk; not a wrong statement of this one", () => {
  const sqlite = (errcode: number): Error => Object.assign(new Error("sqlite"), { code: "ERR_SQLITE_ERROR", errcode });
  for (const errcode of [5, 8, 10, 266, 13, 26]) assert.ok(isDevices(sqlite(errcode)), `${errcode}`);
  assert.ok(isDevices(new LightvError("LV_CONFLICT", "outbox.db is in use by another process")));
  assert.ok(isDevices(new LightvError("LV_INTERNAL", "can't open the database", { cause: sqlite(26) })));
  assert.ok(isDevices(Object.assign(new Error("read-only"), { errno: -30 })));
  const database = openDatabase(":memory:", "CREATE TABLE t (b BLOB)", { exclusive: false, cacheKib: 64 });
  assert.not(isDevices(raised(() => database.exec("SELECT nonsense FROM t"))));
  database.close();
  assert.not(isDevices(new Error("a defect")));
  assert.not(isDevices(new LightvError("LV_CONFIG", "wrong")));
});
