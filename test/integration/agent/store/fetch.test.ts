/** The store's downloads over real HTTP: cuts, lies, restarts, deltas. */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { directory, PLAIN, Tree } from "#agent/image/tree.ts";
import { sleep } from "#agent/lib/clock.ts";
import { isLightvError } from "#agent/lib/errors.ts";
import { commitImage } from "#agent/store/commit.ts";
import { DeviceImageStore } from "#agent/store/store.ts";
import type { FetchProgress } from "#agent/store/types.ts";
import type { Code } from "#agent/wire/codes.ts";
import { type Misbehave, serveImage } from "#test/lib/image-server.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/store/fetch");

interface Made {
  readonly digest: string;
  readonly size: number;
  readonly bytes: Buffer;
}

function scratch(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "lightv-store-"));
  t.cleanup(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** An image with these files. */
async function makeImage(place: string, files: Readonly<Record<string, Buffer>>): Promise<Made> {
  const root = join(place, randomBytes(4).toString("hex"));
  mkdirSync(root, { recursive: true });
  const tree = new Tree();
  tree.put("/etc", directory(PLAIN));
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(root, name), content);
    tree.put(`/${name}`, { ...PLAIN, kind: "file", content: { path: join(root, name), offset: 0, length: content.length } });
  }
  const description = { name: "made:1", architecture: "amd64", created: "2024-01-01T00:00:00Z", config: {} };
  const { digest, size, path } = await commitImage(root, "x", tree, description);
  return { digest, size, bytes: readFileSync(path) };
}

function newStore(root: string, reserveBytes = 0): DeviceImageStore {
  const clock = { sleep: (_ms: number, signal?: AbortSignal) => sleep(1, signal), wallMs: () => Date.now() };
  return new DeviceImageStore({ root, clock, random: () => 0.5, reserveBytes, idleMs: 2000 });
}

async function failure(code: Code, work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    assert.ok(isLightvError(error, code), `expected ${code}, got ${error}`);
    return error as Error;
  }
  throw new Error(`expected ${code}, and nothing failed`);
}

const visible = (root: string): string[] => (existsSync(join(root, "images")) ? readdirSync(join(root, "images")) : []);

test("fetches an image whole, names it, and has the same bytes", async (t) => {
  const place = scratch(t);
  const image = await makeImage(place, { a: randomBytes(700_000), b: Buffer.alloc(0), c: Buffer.from("c") });
  const server = await serveImage(image.bytes);
  t.cleanup(() => server.close());
  const root = join(place, "device");
  const store = newStore(root);
  await store.start(t.signal);
  const progress: FetchProgress[] = [];
  const { digest, size, url } = { ...image, url: server.url };
  const stored = await store.fetch({ digest, size, url, name: "app:2", onProgress: (p) => progress.push(p) }, t.signal);
  assert.is(stored.digest, digest);
  assert.ok(readFileSync(stored.path).equals(image.bytes));
  assert.is((await store.refs()).get("app:2"), digest);
  assert.is(progress.at(-1)?.done, image.size);
  assert.equal(readdirSync(join(root, "partial")), []);
  const before = server.asks.length;
  await store.fetch({ digest, url }, t.signal);
  assert.is(server.asks.length, before, "what is there is not fetched again");
});

test("cuts at every kind of byte only delay, and nothing is sent twice but chunks that were cut", async (t) => {
  const place = scratch(t);
  const image = await makeImage(place, { a: randomBytes(900_000), z: randomBytes(300_000) });
  // In the header, the manifest, the table, a chunk's first, middle and last byte; and before any byte.
  const cuts = [0, 1, 1023, 0, 100, 3000, 0, 1, 50_000, 200_000, 16_384, 65_536, 1];
  const cut: Misbehave = ({ start, end, number, response }) => {
    const after = cuts[number];
    if (after === undefined || after > end - start) return false;
    response.writeHead(206, { "content-range": `bytes ${start}-${end}/${image.size}`, "content-length": end - start + 1 });
    response.write(image.bytes.subarray(start, start + after), () => response.destroy());
    return true;
  };
  const server = await serveImage(image.bytes, cut);
  t.cleanup(() => server.close());
  const stored = await newStore(join(place, "device")).fetch({ ...image, url: server.url }, t.signal);
  assert.ok(readFileSync(stored.path).equals(image.bytes));
  const starts = server.asks.slice(cuts.length).map(({ start }) => start);
  assert.ok(Math.max(...server.asks.map(({ start }) => start)) > 200_000, `the last tries go on where the cuts were: ${starts}`);
});

test("goes on with a partial file that another process left, also a torn one", async (t) => {
  const place = scratch(t);
  const image = await makeImage(place, { a: randomBytes(2_000_000) });
  const stopAt = 1_200_000;
  const first = new AbortController();
  const half = await serveImage(image.bytes, ({ start, end, response }) => {
    if (end - start < 500_000) return false;
    response.writeHead(206, { "content-range": `bytes ${start}-${end}/${image.size}` });
    response.write(image.bytes.subarray(start, start + stopAt), () => setTimeout(() => first.abort(new Error("enough")), 200));
    return true;
  });
  t.cleanup(() => half.close());
  const root = join(place, "device");
  await newStore(root)
    .fetch({ ...image, url: half.url }, first.signal)
    .then(
      () => assert.unreachable("it was stopped"),
      () => {},
    );
  assert.equal(visible(root), []);
  const file = join(root, "partial", `${image.digest.replace(":", "-")}.lv`);
  const torn = readFileSync(file);
  torn.fill(0xff, 300_000, 300_010);
  writeFileSync(file, torn);
  const server = await serveImage(image.bytes);
  t.cleanup(() => server.close());
  const stored = await newStore(root).fetch({ ...image, url: server.url }, t.signal);
  assert.ok(readFileSync(stored.path).equals(image.bytes));
  assert.ok(server.sent() < image.size / 2 + 300_000, `${server.sent()} of ${image.size} bytes were sent again`);
});

/** The same bytes each time: where chunks end depends on them, and now and then they end late. */
function noise(seed: string, length: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

test("takes from other images of the device what they have", async (t) => {
  const place = scratch(t);
  const common = noise("common", 1_500_000);
  const old = await makeImage(place, { base: common, app: noise("old", 50_000) });
  const next = await makeImage(place, { base: common, app: noise("next", 50_000) });
  const server = await serveImage(old.bytes);
  const update = await serveImage(next.bytes);
  t.cleanup(() => Promise.all([server.close(), update.close()]));
  const store = newStore(join(place, "device"));
  await store.fetch({ ...old, url: server.url }, t.signal);
  let reused = 0;
  const stored = await store.fetch(
    {
      ...next,
      url: update.url,
      onProgress: (p) => {
        reused = p.reused;
      },
    },
    t.signal,
  );
  assert.ok(readFileSync(stored.path).equals(next.bytes));
  assert.ok(update.sent() < 400_000, `${update.sent()} bytes were sent for a change of 50,000`);
  assert.ok(reused > 1_000_000, `${reused} bytes were reused`);
});

test("works with a server that knows no ranges", async (t) => {
  const place = scratch(t);
  const image = await makeImage(place, { a: randomBytes(400_000) });
  const server = await serveImage(image.bytes, () => false, false);
  t.cleanup(() => server.close());
  const stored = await newStore(join(place, "device")).fetch({ ...image, url: server.url }, t.signal);
  assert.ok(readFileSync(stored.path).equals(image.bytes));
  assert.is(server.asks.length, 1);
});

test("a server that sends other bytes gets nothing into the store", async (t) => {
  const place = scratch(t);
  const image = await makeImage(place, { a: randomBytes(400_000) });
  const other = await makeImage(place, { a: randomBytes(400_000) });
  for (const ranges of [true, false]) {
    for (const place_ of [5000, 200_000, image.size - 5000, 900]) {
      const bytes = Buffer.from(image.bytes);
      bytes[place_] = (bytes[place_] ?? 0) ^ 1;
      const server = await serveImage(bytes, () => false, ranges);
      t.cleanup(() => server.close());
      const root = join(place, `device-${ranges}-${place_}`);
      const error = await newStore(root)
        .fetch({ ...image, url: server.url }, t.signal)
        .then(
          () => undefined,
          (e: unknown) => e,
        );
      if (error === undefined) {
        // Padding between and behind the sections is not the image's.
        assert.ok(readFileSync(join(root, "images", visible(root)[0] ?? "")).equals(image.bytes));
        continue;
      }
      assert.ok(isLightvError(error, "LV_IMAGE_DIGEST") || isLightvError(error, "LV_IMAGE_BROKEN"), `${place_}: ${error}`);
      assert.equal(visible(root), []);
    }
  }
  const server = await serveImage(other.bytes);
  t.cleanup(() => server.close());
  const root = join(place, "device");
  await failure("LV_IMAGE_DIGEST", newStore(root).fetch({ digest: image.digest, url: server.url }, t.signal));
  assert.equal(visible(root), []);
});

test("endless bodies, wrong ranges and wrong sizes end with a clear error", async (t) => {
  const place = scratch(t);
  const image = await makeImage(place, { a: randomBytes(300_000) });
  const lies: readonly (readonly [Code, Misbehave])[] = [
    [
      "LV_FETCH",
      ({ start, end, response }) => {
        response.writeHead(206, { "content-range": `bytes ${start}-${end}/${image.size}` });
        response.write(image.bytes.subarray(start, end + 1));
        const more = setInterval(() => response.write(Buffer.alloc(65_536)), 1);
        response.on("close", () => clearInterval(more));
        return true;
      },
    ],
    [
      "LV_FETCH",
      ({ response }) => {
        response.writeHead(206, { "content-range": `bytes 7-9/${image.size}` });
        response.end("abc");
        return true;
      },
    ],
    ["LV_FETCH", ({ response }) => response.writeHead(404).end() !== undefined],
    ["LV_DENIED", ({ response }) => response.writeHead(401).end() !== undefined],
    ["LV_IMAGE_BROKEN", ({ response }) => response.writeHead(200).end(Buffer.alloc(5000)) !== undefined],
  ];
  for (const [index, [code, misbehave]] of lies.entries()) {
    const server = await serveImage(image.bytes, misbehave);
    t.cleanup(() => server.close());
    const root = join(place, `device-${index}`);
    await failure(code, newStore(root).fetch({ ...image, url: server.url }, t.signal));
    assert.equal(visible(root), []);
  }
  const server = await serveImage(image.bytes);
  t.cleanup(() => server.close());
  await failure("LV_IMAGE_DIGEST", newStore(join(place, "size")).fetch({ ...image, size: image.size + 4096, url: server.url }, t.signal));
});

test("credentials go to the first origin only, wherever that redirects", async (t) => {
  const place = scratch(t);
  const image = await makeImage(place, { a: randomBytes(100_000) });
  const target = await serveImage(image.bytes);
  const door = await serveImage(image.bytes, ({ response }) => response.writeHead(307, { location: target.url }).end() !== undefined);
  t.cleanup(() => Promise.all([target.close(), door.close()]));
  const headers = { authorization: "Basic secret" };
  const stored = await newStore(join(place, "device")).fetch({ ...image, url: door.url, headers }, t.signal);
  assert.ok(readFileSync(stored.path).equals(image.bytes));
  assert.is(door.asks[0]?.authorization, "Basic secret");
  assert.ok(target.asks.length > 0);
  assert.equal(
    target.asks.filter(({ authorization }) => authorization !== undefined),
    [],
  );
});

test("a disk without room is told before a byte moves", async (t) => {
  const place = scratch(t);
  const image = await makeImage(place, { a: randomBytes(100_000) });
  const server = await serveImage(image.bytes);
  t.cleanup(() => server.close());
  const store = newStore(join(place, "device"), 2 ** 60);
  await failure("LV_DISK_FULL", store.fetch({ ...image, url: server.url }, t.signal));
  assert.is(server.asks.length, 0);
});

test("two who want one image share its transfer, and one may leave", async (t) => {
  const place = scratch(t);
  const image = await makeImage(place, { a: randomBytes(500_000) });
  const server = await serveImage(image.bytes);
  t.cleanup(() => server.close());
  const store = newStore(join(place, "device"));
  const leaver = new AbortController();
  const request = { ...image, url: server.url };
  const [left, stayed] = [store.fetch(request, leaver.signal), store.fetch(request, t.signal)];
  leaver.abort(new Error("left"));
  await left.then(
    () => assert.unreachable("he left"),
    (error: Error) => assert.is(error.message, "left"),
  );
  assert.ok(readFileSync((await stayed).path).equals(image.bytes));
  assert.ok(server.sent() < image.size + 10_000, `${server.sent()} bytes were sent for one image of ${image.size}`);
});

test("stop() ends a download and leaves its part for later", async (t) => {
  const place = scratch(t);
  const image = await makeImage(place, { a: randomBytes(500_000) });
  const server = await serveImage(image.bytes, ({ start, end, response }) => {
    if (end - start < 100_000) return false;
    response.writeHead(206, { "content-range": `bytes ${start}-${end}/${image.size}` });
    response.write(image.bytes.subarray(start, start + 300_000));
    return true;
  });
  t.cleanup(() => server.close());
  const root = join(place, "device");
  const store = newStore(root);
  const { promise: moving, resolve } = Promise.withResolvers<void>();
  const fetching = failure("LV_UNAVAILABLE", store.fetch({ ...image, url: server.url, onProgress: () => resolve() }, t.signal));
  await moving;
  await store.stop();
  await fetching;
  assert.is(readdirSync(join(root, "partial")).length, 1);
});

test("a damaged head in the store is replaced by a fetch", async (t) => {
  const place = scratch(t);
  const image = await makeImage(place, { a: randomBytes(100_000) });
  const server = await serveImage(image.bytes);
  t.cleanup(() => server.close());
  const store = newStore(join(place, "device"));
  const { path } = await store.fetch({ ...image, url: server.url }, t.signal);
  truncateSync(path, 5000);
  await failure("LV_IMAGE_BROKEN", store.find(image.digest));
  await store.fetch({ ...image, url: server.url }, t.signal);
  assert.ok(readFileSync(path).equals(image.bytes));
});

test("collect() keeps what is kept, what sandboxes use, and takes names away with their images", async (t) => {
  const place = scratch(t);
  const root = join(place, "device");
  const store = newStore(root);
  const images = [
    await makeImage(place, { a: Buffer.from("1") }),
    await makeImage(place, { a: Buffer.from("2") }),
    await makeImage(place, { a: Buffer.from("3") }),
  ];
  for (const [index, image] of images.entries()) {
    const server = await serveImage(image.bytes);
    await store.fetch({ ...image, url: server.url, name: `n:${index}` }, t.signal);
    await server.close();
  }
  mkdirSync(join(root, "sandboxes", "0123456789abcdef"), { recursive: true });
  writeFileSync(join(root, "sandboxes", "0123456789abcdef", "config.json"), JSON.stringify({ imageDigest: images[1]?.digest }));
  const { removed } = await store.collect(new Set([images[0]?.digest ?? ""]), { all: true });
  assert.equal(removed, [images[2]?.digest]);
  assert.equal([...(await store.refs()).keys()], ["n:0", "n:1"]);
  assert.is((await store.list()).length, 2);
});
