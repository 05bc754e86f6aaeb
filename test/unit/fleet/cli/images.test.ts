import * as assert from "uvu/assert";
import { pickImage } from "#fleet/cli/images.ts";
import type { ImageView } from "#fleet/cli/views.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/cli/images");

function image(name: string, hex: string): ImageView {
  return { name, digest: `sha256:${hex.padEnd(64, "0")}`, size: 1, architecture: "amd64", pushedAt: "2026-01-01T00:00:00Z" } as ImageView;
}

const images = [image("web:latest", "abcd1"), image("web:2", "abcd2"), image("cafe:latest", "1111")];
const code = (reference: string): unknown => {
  try {
    return pickImage(images, reference);
  } catch (error) {
    return (error as { code: unknown }).code;
  }
};

test("an image is named by its name, its digest, or the digest's beginning", () => {
  for (const reference of ["web", "web:latest", "abcd1", "sha256:abcd1", images[0]?.digest ?? ""])
    assert.is(pickImage(images, reference), images[0]?.digest, reference);
  assert.is(pickImage(images, "cafe"), images[2]?.digest, "a name goes before a digest that nobody has");
});

test("what names none or several is refused", () => {
  assert.is(code("abcd"), "LV_CONFLICT");
  assert.is(code("nope"), "LV_NOT_FOUND");
  assert.is(code("abc"), "LV_NOT_FOUND");
  assert.is(code("sha256:"), "LV_NOT_FOUND");
});
