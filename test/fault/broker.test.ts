/** A controller that is killed: apps go on, events made meanwhile arrive once, and a change made at once after its return is carried out. */
import * as assert from "uvu/assert";
import type { App } from "#agent/wire/protocol/app.ts";
import { AppWatch } from "#test/lib/app-watch.ts";
import { busyboxImage, busyboxImageFile } from "#test/lib/images.ts";
import { suite } from "#test/lib/suite.ts";
import { until, World } from "#test/lib/world.ts";

const test = suite("fault/broker");

test(
  "kill -9 of the controller during a deploy: apps keep their processes, events made meanwhile arrive once, the deploy ends well",
  async (t) => {
    const reason = World.unavailable();
    if (reason !== undefined) t.skip(reason);
    const world = new World();
    t.cleanup(() => world.close());
    await world.start();
    const watch = new AppWatch(world);
    const { digest, size } = await busyboxImage(world.box.root, { name: "base" });
    await world.fleetOk("push", "base");
    const image = { name: "base:latest", digest, size };
    const steady: App = { name: "steady", image, command: ["/bin/sleep", "100000"] };
    const restless: App = {
      name: "restless",
      image,
      command: ["/bin/sh", "-c", "/bin/sleep 0.3"],
      restart: { policy: "always", minDelayMs: 100, maxDelayMs: 300 },
    };
    await world.desire([steady, restless]);
    const { pid } = await watch.reported("steady", ({ phase }) => phase === "running");
    await watch.told("app.exited", "restless");
    const file = `${world.directory}/next.lv`;
    const next = await busyboxImageFile(file, { name: "next", files: { "/version": "2" } });
    await world.fleetOk("push", file);

    // It has the desired state, and the image is not there yet when the controller goes.
    const newer: App = { ...steady, name: "newer", image: { name: next.name, digest: next.digest, size: next.size } };
    const revision = await world.desire([steady, restless, newer]);
    await world.controller.kill();
    await new Promise((resolve) => setTimeout(resolve, 3_000));

    await world.controller.start();
    await until("the device to come back", async () => ((await world.view())?.online === true ? true : undefined));
    const report = await watch.reported("newer", ({ phase }) => phase === "running");
    assert.is(report.revision, revision);
    assert.is((await world.appReport("steady"))?.pid, pid, "the steady app has noticed nothing");
    await world.desire([steady]);
    await until("the others to go", async () => ((await world.view())?.reported?.apps.length === 1 ? true : undefined));
    const events = await world.events();
    const numbers = events.map(({ seq }) => seq);
    assert.equal(
      numbers,
      numbers.map((_, at) => at + 1),
      "every event is there once",
    );
    const exits = events.filter(({ type, app }) => type === "app.exited" && app === "restless").length;
    assert.ok(exits >= 4, `ends while the controller was away are told too, not only ${exits}`);
    assert.is((await world.view())?.reported?.lostEvents, 0);
  },
  { timeoutMs: 180_000 },
);
