/** OCI image layouts (image-spec, image-layout.md): index, platform, manifest, configuration, layers. */
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Static, Type } from "typebox";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import { collect } from "../bytes.ts";
import { digestOf } from "../manifest.ts";
import { type Platform, platformText } from "../platform.ts";
import type { Tree } from "../tree.ts";
import { addLayer, type Blob, type Converted, type ConvertOptions, differs, keepConfig, parseConfigFile, parseShape } from "./oci.ts";

const Descriptor = Type.Object({
  mediaType: Type.Optional(Type.String()),
  digest: Type.String({ pattern: "^sha256:[0-9a-f]{64}$" }),
  size: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  platform: Type.Optional(Type.Object({ architecture: Type.String(), os: Type.String(), variant: Type.Optional(Type.String()) })),
  annotations: Type.Optional(Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()])),
});
type Descriptor = Static<typeof Descriptor>;
const Index = Type.Object({ manifests: Type.Array(Descriptor, { maxItems: 4096 }) });
const ImageManifest = Type.Object({ config: Descriptor, layers: Type.Array(Descriptor, { maxItems: 4096 }) });

const REF_NAME = "org.opencontainers.image.ref.name";
const MAX_JSON_BYTES = 4 * 1024 * 1024;
const INDEX_TYPES: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
/** An index may name an index; not for ever. */
const MAX_DEPTH = 4;

/** `place` is DIR or DIR:TAG. Throws LV_NOT_FOUND, LV_USAGE, LV_IMAGE_PLATFORM, LV_IMAGE_DIGEST. */
export async function addOciLayout(tree: Tree, place: string, options: ConvertOptions): Promise<Converted> {
  const { directory, tag } = await splitPlace(place);
  const index = parseShape(Index, await readLayoutFile(directory, "index.json"), `${directory}/index.json`);
  const layout = new Layout(directory);
  const chosen = await layout.choose(byTag(index.manifests, tag, directory), options.platform, 0);
  const manifest = parseShape(ImageManifest, await layout.json(chosen), `the manifest ${chosen.digest}`);
  const what = `the configuration ${manifest.config.digest}`;
  const config = parseConfigFile(await layout.json(manifest.config), what, options.platform);
  if (config.rootfs.diff_ids.length !== manifest.layers.length)
    throw new LightvError("LV_USAGE", `${what} names ${config.rootfs.diff_ids.length} layers, the manifest ${manifest.layers.length}`, {
      hint: "the image is damaged: fetch it again",
    });
  for (const [number, layer] of manifest.layers.entries()) {
    checkMediaType(layer);
    await addLayer(tree, layout.blob(layer, "the layer"), { digest: layer.digest, diffId: config.rootfs.diff_ids[number] }, options);
  }
  return { architecture: config.architecture, config: keepConfig(config.config, what) };
}

/** A colon may belong to the directory's name. */
async function splitPlace(place: string): Promise<{ directory: string; tag: string | undefined }> {
  const whole = await stat(place).catch(() => undefined);
  const colon = place.lastIndexOf(":");
  if (whole?.isDirectory() === true || colon <= place.lastIndexOf("/")) return { directory: place, tag: undefined };
  return { directory: place.slice(0, colon), tag: place.slice(colon + 1) };
}

async function readLayoutFile(directory: string, name: string): Promise<Buffer> {
  try {
    return await readFile(join(directory, name));
  } catch (error) {
    throw new LightvError("LV_NOT_FOUND", `${directory} is no OCI image layout: ${messageOf(error)}`, {
      hint: "make one with skopeo copy … oci:DIR, or docker buildx build -o type=oci,tar=false,dest=DIR",
    });
  }
}

function byTag(manifests: readonly Descriptor[], tag: string | undefined, directory: string): readonly Descriptor[] {
  if (tag === undefined) return manifests;
  const name = (descriptor: Descriptor): string => descriptor.annotations?.[REF_NAME] ?? "";
  const found = manifests.filter((descriptor) => name(descriptor) === tag || name(descriptor).endsWith(`:${tag}`));
  if (found.length > 0) return found;
  throw new LightvError("LV_NOT_FOUND", `${directory} has no image with the tag ${tag}`, {
    hint: `it has: ${
      manifests
        .map(name)
        .filter((text) => text !== "")
        .join(", ") || "images without tags"
    }`,
  });
}

function checkMediaType({ mediaType, digest }: Descriptor): void {
  if (mediaType === undefined || /[./]tar(?:[.+](?:gzip|zstd))?$/.test(mediaType)) return;
  throw new LightvError("LV_USAGE", `the layer ${digest} has the media type ${mediaType}, which is not read here`, {
    hint: "layers have to be tar archives, plain or packed with gzip or zstd, and not encrypted",
  });
}

class Layout {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  blob({ digest, size }: Descriptor, kind: string): Blob {
    const path = join(this.#directory, "blobs", "sha256", digest.slice("sha256:".length));
    return { what: `${kind} ${digest}`, size, open: () => readBlob(path, `${kind} ${digest}`, size) };
  }

  async json(descriptor: Descriptor): Promise<Buffer> {
    const { what, open } = this.blob(descriptor, "the blob");
    const bytes = await collect(open(), MAX_JSON_BYTES, what);
    if (digestOf(bytes) !== descriptor.digest) throw differs(what, descriptor.digest);
    return bytes;
  }

  /** The one manifest for a platform; an only one without a platform is taken, and its configuration checked later. */
  async choose(candidates: readonly Descriptor[], wanted: Platform, depth: number): Promise<Descriptor> {
    const [only] = candidates;
    const matching = candidates.filter(({ platform }) => platform !== undefined && matches(platform, wanted));
    const chosen = matching[0] ?? (candidates.length === 1 && only?.platform === undefined ? only : undefined);
    if (chosen === undefined) throw noPlatform(candidates, wanted);
    if (matching.length > 1 && new Set(matching.map(({ digest }) => digest)).size > 1)
      throw new LightvError("LV_USAGE", `${this.#directory} has ${matching.length} images for ${platformText(wanted)}`, {
        hint: "name one: oci:DIR:TAG",
      });
    if (!INDEX_TYPES.includes(chosen.mediaType ?? "")) return chosen;
    if (depth >= MAX_DEPTH)
      throw new LightvError("LV_USAGE", `${this.#directory}: indexes that name each other`, { hint: "the image is damaged" });
    const index = parseShape(Index, await this.json(chosen), `the index ${chosen.digest}`);
    return this.choose(index.manifests, wanted, depth + 1);
  }
}

function matches(platform: { os: string; architecture: string; variant?: string }, wanted: Platform): boolean {
  if (platform.os !== wanted.os || platform.architecture !== wanted.architecture) return false;
  return wanted.variant === undefined || platform.variant === undefined || platform.variant === wanted.variant;
}

function noPlatform(candidates: readonly Descriptor[], wanted: Platform): LightvError {
  const there = candidates.map(({ platform }) =>
    platform === undefined ? "one that names none" : `${platform.os}/${platform.architecture}`,
  );
  if (candidates.length > 1 && candidates.every(({ platform }) => platform === undefined))
    return new LightvError("LV_USAGE", `there are ${candidates.length} images in the layout`, { hint: "name one by its tag: oci:DIR:TAG" });
  return new LightvError("LV_IMAGE_PLATFORM", `there is no image for ${platformText(wanted)}`, {
    hint: `there are: ${there.join(", ") || "none"}`,
  });
}

/** Exactly as many bytes as the descriptor says. */
async function* readBlob(path: string, what: string, size: number): AsyncGenerator<Buffer> {
  let length = 0;
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
      length += piece.length;
      yield piece;
    }
  } catch (error) {
    if (error instanceof LightvError) throw error;
    throw new LightvError("LV_NOT_FOUND", `${what} can't be read: ${messageOf(error)}`, { hint: "the layout is not whole: copy it again" });
  }
  if (length !== size)
    throw new LightvError("LV_IMAGE_DIGEST", `${what} has ${length} bytes, and should have ${size}`, { hint: "copy it again" });
}
