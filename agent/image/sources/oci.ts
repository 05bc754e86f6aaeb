/** What OCI layouts and docker archives have in common: blobs with digests, an image configuration, layers in order. */
import { createHash } from "node:crypto";
import { type Static, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";
import { LightvError } from "#agent/lib/errors.ts";
import { collect } from "../bytes.ts";
import { unpack } from "../decompress.ts";
import { ImageConfig } from "../manifest.ts";
import { type Platform, platformText } from "../platform.ts";
import type { Spool } from "../spool.ts";
import type { Tree } from "../tree.ts";
import { addTar } from "./layer.ts";
import type { SourceOptions } from "./options.ts";

export interface ConvertOptions extends SourceOptions {
  readonly spool: Spool;
  readonly platform: Platform;
}

export interface Converted {
  readonly architecture: string;
  readonly config: ImageConfig;
}

/** JSON of an image is small; more is an attack. */
const MAX_JSON_BYTES = 4 * 1024 * 1024;

const ConfigFile = Type.Object({
  architecture: Type.String({ pattern: "^[a-z0-9_]{1,32}$" }),
  os: Type.String(),
  variant: Type.Optional(Type.String()),
  config: Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])),
  rootfs: Type.Object({ diff_ids: Type.Array(Type.String()) }),
});
export type ConfigFile = Static<typeof ConfigFile>;

/** Parses JSON that came from outside and has to have a shape. Throws LV_USAGE. */
export function parseShape<T extends TSchema>(schema: T, bytes: Uint8Array, what: string): Static<T> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new LightvError("LV_USAGE", `${what} is not JSON`, { hint: "the image is damaged: fetch or make it again" });
  }
  if (Value.Check(schema, value)) return value;
  const [first] = Value.Errors(schema, value);
  throw new LightvError("LV_USAGE", `${what} has a wrong shape: ${first?.instancePath || "it"} ${first?.message ?? ""}`, {
    hint: "it must be an OCI image (image-spec 1.0 or newer) or what docker save writes",
  });
}

export async function readJson<T extends TSchema>(schema: T, source: AsyncIterable<Uint8Array>, what: string): Promise<Static<T>> {
  return parseShape(schema, await collect(source, MAX_JSON_BYTES, what), what);
}

export function parseConfigFile(bytes: Uint8Array, what: string, wanted: Platform): ConfigFile {
  const file = parseShape(ConfigFile, bytes, what);
  if (file.os !== "linux" || file.architecture !== wanted.architecture)
    throw new LightvError("LV_IMAGE_PLATFORM", `${what} is for ${file.os}/${file.architecture}, wanted is ${platformText(wanted)}`, {
      hint: `add --platform ${file.os}/${file.architecture} if that is meant`,
    });
  return file;
}

const HEALTH_KEYS = ["Test", "Interval", "Timeout", "StartPeriod", "Retries"] as const;

/** Takes over the keys that images keep; Docker writes null for what is not set. Throws LV_USAGE. */
export function keepConfig(config: ConfigFile["config"], what: string): ImageConfig {
  const kept: Record<string, unknown> = {};
  for (const key of Object.keys(ImageConfig.properties)) {
    const value = config?.[key];
    if (value === undefined || value === null) continue;
    if (key === "Healthcheck") kept[key] = keepKeys(value, HEALTH_KEYS);
    else if (key === "ExposedPorts" || key === "Volumes") kept[key] = Object.fromEntries(Object.keys(value).map((name) => [name, {}]));
    else if (value !== "") kept[key] = value;
  }
  return parseShape(ImageConfig, Buffer.from(JSON.stringify(kept)), `the configuration in ${what}`);
}

function keepKeys(value: unknown, keys: readonly string[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([key, inner]) => keys.includes(key) && inner !== null));
}

export interface Blob {
  readonly what: string;
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

/**
 * Merges one layer. `digest` is of the bytes as they lie there, `diffId` of the unpacked ones; what is given is checked.
 * Throws LV_IMAGE_DIGEST.
 */
export async function addLayer(
  tree: Tree,
  blob: Blob,
  { digest, diffId }: { digest?: string; diffId?: string | undefined },
  options: ConvertOptions,
): Promise<void> {
  const packed = new Hashed(blob.open());
  const { bytes } = await unpack(packed.bytes(), blob.what);
  const plain = new Hashed(bytes);
  const { spool, warn, signal } = options;
  await addTar(tree, plain.bytes(), { spool, warn, whiteouts: true, needEnd: false, ...(signal === undefined ? {} : { signal }) });
  if (diffId !== undefined && plain.digest() !== diffId) throw differs(blob.what, diffId);
  if (digest === undefined) return;
  // What lies behind the end of a compressed stream has not been read: then all is read again.
  const seen = packed.length === blob.size ? packed.digest() : await digestOfStream(blob.open());
  if (seen !== digest) throw differs(blob.what, digest);
}

export async function digestOfStream(source: AsyncIterable<Uint8Array>): Promise<string> {
  const hashed = new Hashed(source);
  for await (const _ of hashed.bytes());
  return hashed.digest();
}

export function differs(what: string, digest: string): LightvError {
  return new LightvError("LV_IMAGE_DIGEST", `${what} is not what its digest ${digest} says`, { hint: "it is damaged: fetch it again" });
}

class Hashed {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #hash = createHash("sha256");
  length = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    for await (const piece of this.#source) {
      this.#hash.update(piece);
      this.length += piece.length;
      yield piece;
    }
  }

  /** Once, at the end. */
  digest(): string {
    return `sha256:${this.#hash.digest("hex")}`;
  }
}
