/**
 * Images that are not what they should be, on their way to a device: pushed damaged, damaged on the controller's disk, served damaged by another
 * server. Nothing damaged is ever started, the reason is told, and what ran goes on.
 */
import { randomBytes } from "node:crypto";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { App } from "#agent/wire/protocol/app.ts";
import { AppWatch } from "#test/lib/app-watch.ts";
import { DAMAGES, type Damage, damage } from "#test/lib/damage.ts";
import { serveImage } from "#test/lib/image-server.ts";
import { busyboxImage, busyboxImageFile, type TestImage } from "#test/lib/images.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { World } from "#test/lib/world.ts";

const test = suite("fault/device-image");
const LIMIT = { timeoutMs: 180_000 };
const EAGER = { policy: "always", minDelayMs: 100, maxDelayMs: 500 } as const;
/** The device has busybox already, and fetches only what it lacks: this is what the damage hits. */
const BLOB = 300_000;
const FOREVER = ["/bin/sleep", "100000"];

interface Scene {
  readonly world: World;
  readonly watch: AppWatch;
  readonly app: App;
  readonly pid: number;
}

/** An app that runs, and has proved good. */
async function begin(t: TestContext): Promise<Scene> {
  const reason = World.unavailable();
  if (reason !== undefined) t.skip(reason);
  const world = new World();
  t.cleanup(() => world.close());
  await world.start();
  const { digest, size } = await busyboxImage(world.box.root, { name: "base" });
  await world.fleetOk("push", "base");
  const app: App = {
    name: "app",
    image: { name: "base:latest", digest, size },
    command: FOREVER,
    health: { probe: { exec: ["/bin/true"] }, intervalMs: 200 },
  };
  const watch = new AppWatch(world);
  await world.desire([app]);
  await watch.told("app.proved", "app");
  const { pid } = await watch.reported("app", ({ phase }) => phase === "running");
  return { world, watch, app, pid: pid ?? 0 };
}

/** What the device tells. It takes no more of a server's file than the image has, so that bytes behind its end do no harm there. */
const REASONS: Readonly<Record<Exclude<Damage, "oversized">, RegExp>> = {
  truncated: /fetching http:\S+: the body ended after \d+ of \d+ bytes; it is tried again|LV_\w+: /,
  "flipped header": /LV_IMAGE_BROKEN: .*header/,
  "flipped manifest": /LV_IMAGE_DIGEST: what is fetched is not the image sha256:/,
  "flipped chunk table": /LV_IMAGE_\w+: .*chunk/,
  "flipped content": /LV_IMAGE_DIGEST: chunk \d+ \(byte \d+\) is not what the image's digest says/,
};

function asImage({ name, digest, size }: TestImage, url?: string): App["image"] {
  return { name, digest, size, ...(url === undefined ? {} : { url }) };
}

test(
  "a damaged image can't be pushed: the reason is said, and the controller keeps what it had",
  async (t) => {
    const { world } = await begin(t);
    const good = join(world.directory, "good.lv");
    await busyboxImageFile(good, { name: "next", files: { "/version": "2" } });
    const before = await world.fleetOk("images", "-q");
    for (const how of DAMAGES) {
      const bad = join(world.directory, "bad.lv");
      copyFileSync(good, bad);
      damage(bad, how);
      const { code, stderr } = await world.fleet("push", bad);
      assert.is(code, 1, how);
      assert.match(stderr, /^lightv: .+ \(.+\)$/m, `${how}: ${stderr}`);
      assert.match(stderr, /bytes|CRC|header|match|digest|manifest/, `${how}: ${stderr}`);
    }
    assert.is(await world.fleetOk("images", "-q"), before);
    assert.is((await world.fleet("push", good)).code, 0, "the undamaged file is taken");
  },
  LIMIT,
);

test(
  "an image that its server sends damaged is never started: the reason is told, and the version before keeps its process",
  async (t) => {
    const { world, watch, app, pid } = await begin(t);
    for (const [n, [how, reason]] of Object.entries(REASONS).entries()) {
      const file = join(world.directory, `${n}.lv`);
      const image = await busyboxImageFile(file, { name: `next${n}`, files: { "/blob": randomBytes(BLOB) } });
      damage(file, how as Damage);
      const server = await serveImage(readFileSync(file));
      t.cleanup(() => server.close());
      await world.desire([{ ...app, image: asImage(image, server.url), restart: EAGER }]);
      const report = await watch.reported("app", (seen) => reason.test(seen.reason));
      assert.is(report.pid, pid, `${how}: ${report.phase}`);
    }
    const failed = (await watch.told("app.rolled-back", "app")).map(({ data }) => String(data.code));
    assert.equal([...new Set(failed)].sort(), ["LV_IMAGE_BROKEN", "LV_IMAGE_DIGEST"]);
  },
  LIMIT,
);

test(
  "another image than the digest says, or one of another size, is never started; the right one is, after that",
  async (t) => {
    const { world, watch, app, pid } = await begin(t);
    const file = join(world.directory, "next.lv");
    const image = await busyboxImageFile(file, { name: "next", files: { "/version": "2" } });
    const server = await serveImage(readFileSync(file));
    t.cleanup(() => server.close());
    const right = asImage(image, server.url);
    await world.desire([{ ...app, image: { ...right, digest: `sha256:${"a".repeat(64)}` } }]);
    const other = await watch.reported("app", ({ reason }) => /LV_IMAGE_DIGEST: what is fetched is not the image sha256:a+/.test(reason));
    assert.is(other.pid, pid);
    await world.desire([{ ...app, image: { ...right, size: right.size + 4096 } }]);
    const large = await watch.reported("app", ({ reason }) => /LV_IMAGE_DIGEST: the server's file has \d+ bytes/.test(reason));
    assert.is(large.pid, pid);
    const revision = await world.desire([{ ...app, image: right, env: { RIGHT: "1" } }]);
    await watch.reported("app", (report) => report.phase === "running" && report.revision === revision);
  },
  LIMIT,
);

test(
  "an image that is damaged on the controller's own disk is never started, and the version before keeps its process",
  async (t) => {
    const { world, watch, app, pid } = await begin(t);
    const file = join(world.directory, "next.lv");
    const image = await busyboxImageFile(file, { name: "next", files: { "/blob": randomBytes(BLOB) } });
    await world.fleetOk("push", file);
    const stored = join(world.directory, "fleet", "images", `${image.digest.replace(":", "-")}.lv`);
    damage(stored, "flipped content");
    await world.desire([{ ...app, image: asImage(image), restart: EAGER }]);
    const report = await watch.reported("app", ({ reason }) => /LV_IMAGE_DIGEST: chunk \d+/.test(reason));
    assert.is(report.pid, pid);
  },
  LIMIT,
);
