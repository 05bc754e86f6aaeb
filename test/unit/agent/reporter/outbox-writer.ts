/** Adds events to the outbox of the file that it is given, says each number once it is durable, and waits to be killed. */

import { writeSync } from "node:fs";
import { systemClock } from "#agent/lib/clock.ts";
import { openDatabase } from "#agent/lib/sqlite.ts";
import { OUTBOX_SCHEMA, Outbox } from "#agent/reporter/outbox.ts";

const box = new Outbox(openDatabase(process.argv[2] ?? "", OUTBOX_SCHEMA, { exclusive: true, cacheKib: 64 }), systemClock(), 1 << 30);
box.load();
for (let n = 0; n < 100_000; n++) {
  box.add({ type: "test.event", data: { n } });
  const last = box.count();
  writeSync(1, `${last}\n`);
}
