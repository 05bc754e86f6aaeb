import * as assert from "uvu/assert";
import { crc32c } from "#fleet/registry/header.ts";
import { answerRange } from "#fleet/registry/range.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/registry/range");
const ETAG = '"sha256:aa"';
const answer = (range?: string, more: object = {}) => answerRange({ range, ...more }, 100, ETAG);

test("single ranges are cut to the file", () => {
  assert.equal(answer("bytes=0-9"), { status: 206, start: 0, end: 9 });
  assert.equal(answer("bytes=90-"), { status: 206, start: 90, end: 99 });
  assert.equal(answer("bytes=90-1000"), { status: 206, start: 90, end: 99 });
  assert.equal(answer("bytes=-10"), { status: 206, start: 90, end: 99 });
  assert.equal(answer("bytes=-1000"), { status: 206, start: 0, end: 99 });
});

test("a range behind the end can't be had", () => {
  for (const range of ["bytes=100-", "bytes=500-600", "bytes=-0"]) assert.equal(answer(range), { status: 416 }, range);
});

test("what is no single range of bytes is answered with the whole (RFC 9110, 14.2)", () => {
  for (const range of [undefined, "bytes=", "bytes=-", "bytes=9-0", "bytes=0-1,5-6", "items=0-1", "0-1", "bytes=a-b"])
    assert.equal(answer(range), { status: 200 }, range);
});

test("validators: If-Range with another tag gives the whole, If-None-Match with this one nothing", () => {
  assert.equal(answer("bytes=0-9", { ifRange: ETAG }), { status: 206, start: 0, end: 9 });
  assert.equal(answer("bytes=0-9", { ifRange: '"x"' }), { status: 200 });
  assert.equal(answer("bytes=0-9", { ifNoneMatch: `"x", W/${ETAG}` }), { status: 304 });
  assert.equal(answer(undefined, { ifNoneMatch: "*" }), { status: 304 });
});

test("CRC-32C is that of RFC 3720, B.4", () => {
  assert.is(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.is(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.is(crc32c(Buffer.from(Array.from({ length: 32 }, (_, n) => n))), 0x46dd794e);
});
