/** The manifest of an image (docs/image-format.md): its shape, its canonical bytes, and a strict reader. */
import { createHash } from "node:crypto";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { LightvError } from "#agent/lib/errors.ts";
import { Count, Digest, Timestamp } from "#agent/wire/protocol/common.ts";
import { canonicalJson } from "./canonical.ts";

export const MAX_MANIFEST_BYTES = 1024 * 1024;

const Text = Type.String({ maxLength: 65_536 });
const Texts = Type.Array(Text, { maxItems: 4096 });
const Keys = Type.Record(Text, Type.Object({}, { additionalProperties: false }));
const Nanoseconds = Type.Integer({ minimum: 0 });

/** What of an OCI image configuration's `config` object an image keeps. */
export const ImageConfig = Type.Object(
  {
    Cmd: Type.Optional(Texts),
    Entrypoint: Type.Optional(Texts),
    Env: Type.Optional(Texts),
    ExposedPorts: Type.Optional(Keys),
    Healthcheck: Type.Optional(
      Type.Object(
        {
          Test: Type.Optional(Texts),
          Interval: Type.Optional(Nanoseconds),
          Timeout: Type.Optional(Nanoseconds),
          StartPeriod: Type.Optional(Nanoseconds),
          Retries: Type.Optional(Type.Integer({ minimum: 0 })),
        },
        { additionalProperties: false },
      ),
    ),
    Labels: Type.Optional(Type.Record(Text, Text)),
    StopSignal: Type.Optional(Text),
    User: Type.Optional(Text),
    Volumes: Type.Optional(Keys),
    WorkingDir: Type.Optional(Text),
  },
  { additionalProperties: false },
);
export type ImageConfig = Static<typeof ImageConfig>;

export const ImageBudget = Type.Object(
  { memory: Type.Optional(Count), cpus: Type.Optional(Count), pids: Type.Optional(Count) },
  { additionalProperties: false },
);
export type ImageBudget = Static<typeof ImageBudget>;

export const Manifest = Type.Object(
  {
    schemaVersion: Type.Literal(1),
    name: Type.String({ minLength: 1, maxLength: 512 }),
    os: Type.Literal("linux"),
    architecture: Type.String({ pattern: "^[a-z0-9]{1,32}$" }),
    created: Timestamp,
    config: ImageConfig,
    budget: Type.Optional(ImageBudget),
    erofs: Type.Object({ blockSize: Type.Literal(4096), size: Count }, { additionalProperties: false }),
    chunks: Type.Object({ count: Count, digest: Digest, size: Count }, { additionalProperties: false }),
  },
  { additionalProperties: false },
);
export type Manifest = Static<typeof Manifest>;

/** `sha256:<hex>` of bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export function encodeManifest(manifest: Manifest): Buffer {
  const bytes = Buffer.from(canonicalJson(manifest), "utf8");
  if (bytes.length > MAX_MANIFEST_BYTES)
    throw new LightvError("LV_USAGE", `the image's configuration takes ${bytes.length} bytes, more than 1 MiB`, {
      hint: "give it fewer or shorter labels and environment variables",
    });
  return bytes;
}

/** Takes only what is canonical: any other form of the same JSON would have another digest. Throws LV_IMAGE_BROKEN. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const fail = (why: string): LightvError =>
    new LightvError("LV_IMAGE_BROKEN", `the image's manifest is broken: ${why}`, { hint: "build or fetch the image again" });
  if (bytes.length > MAX_MANIFEST_BYTES) throw fail("it is longer than 1 MiB");
  let value: unknown;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    throw fail("it is not JSON in UTF-8");
  }
  if (!Value.Check(Manifest, value)) {
    const [first] = Value.Errors(Manifest, value);
    throw fail(first === undefined ? "it has a wrong shape" : `${first.instancePath || "it"} ${first.message}`);
  }
  if (canonicalJson(value) !== text) throw fail("it is not in canonical form");
  return value;
}
