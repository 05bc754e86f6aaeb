import * as assert from "uvu/assert";
import { EventPump } from "#agent/link/event-pump.ts";
import type { DeviceEvent } from "#agent/wire/protocol/event.ts";
import { FakeClock, settle } from "#test/lib/fake-clock.ts";
import { event } from "#test/lib/mqtt-device.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/link/event-pump");

interface Rig {
  readonly pump: EventPump;
  readonly clock: FakeClock;
  readonly sent: number[][];
}

function rig(): Rig {
  let events: DeviceEvent[] = [event(1), event(2)];
  const sent: number[][] = [];
  const clock = new FakeClock();
  const source = {
    next: (after: number) => events.filter(({ seq }) => seq > after),
    acknowledge: (seq: number) => {
      events = events.filter((one) => one.seq > seq);
    },
  };
  const send = async (batch: DeviceEvent[]): Promise<void> => void sent.push(batch.map(({ seq }) => seq));
  return { pump: new EventPump({ source, clock, send }), clock, sent };
}

test("a greeting that comes before the connection is told to be up is not waited for again", async () => {
  const { pump, sent } = rig();
  const up = new AbortController();
  pump.acknowledge(0);
  const run = pump.run(up.signal);
  await settle();
  assert.equal(sent, [[1, 2]]);
  up.abort(new Error("the end"));
  await run;
});

test("each connection waits for a greeting of its own, but not for ever", async () => {
  const { pump, clock, sent } = rig();
  const first = new AbortController();
  pump.acknowledge(1);
  const run = pump.run(first.signal);
  await settle();
  first.abort(new Error("cut"));
  await run;
  assert.equal(sent, [[2]]);
  const second = new AbortController();
  const again = pump.run(second.signal);
  await settle();
  assert.equal(sent, [[2]], "nothing before the controller has said where it stands");
  await clock.advance(3_000);
  assert.equal(sent, [[2], [2]]);
  second.abort(new Error("the end"));
  await again;
});
