import * as assert from "uvu/assert";
import { runs } from "#agent/store/download.ts";
import { nameOfRef, StoreFiles } from "#agent/store/files.ts";
import { Shared } from "#agent/store/shared.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/store/shared");

test("work is done once for all who join, and given up when the last one leaves", async () => {
  const shared = new Shared<number, string>();
  let [begun, ended] = [0, 0];
  const work = (signal: AbortSignal): Promise<string> => {
    begun++;
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () =>
        setTimeout(() => {
          ended++;
          reject(signal.reason);
        }, 5),
      ),
    );
  };
  const [a, b] = [new AbortController(), new AbortController()];
  const both = [shared.join("k", work, a.signal), shared.join("k", work, b.signal)];
  a.abort(new Error("a"));
  const first = await Promise.allSettled(both.slice(0, 1));
  assert.is(first[0]?.status, "rejected");
  assert.equal([begun, ended], [1, 0]);
  b.abort(new Error("b"));
  await Promise.allSettled(both);
  assert.equal([begun, ended], [1, 1], "who leaves last finds it ended");
  assert.is(await shared.join("k", async () => "again", new AbortController().signal), "again");
});

test("missing chunks become as few requests as there are gaps", () => {
  assert.equal(runs([]), []);
  assert.equal(runs([1, 2, 3, 7, 9, 10]), [
    [1, 3],
    [7, 7],
    [9, 10],
  ]);
});

test("names become files and are names again", () => {
  const files = new StoreFiles("/r");
  assert.is(files.ref("a/b:1"), "/r/refs/a%2Fb:1");
  assert.is(nameOfRef("a%2Fb%252F:1"), "a/b%2F:1");
  assert.throws(() => files.image("sha256:../../x"), /is not a digest/);
});
