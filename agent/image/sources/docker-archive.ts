/** What `docker save` writes: a tar with manifest.json, configurations and layers, in any order, packed or not. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path/posix";
import { Type } from "typebox";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import { collect } from "../bytes.ts";
import { unpack } from "../decompress.ts";
import type { Tree } from "../tree.ts";
import { Tree as ArchiveTree } from "../tree.ts";
import { addTar } from "./layer.ts";
import { addLayer, type Converted, type ConvertOptions, keepConfig, parseConfigFile, readJson } from "./oci.ts";

const SavedImages = Type.Array(
  Type.Object({
    Config: Type.String(),
    RepoTags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
    Layers: Type.Array(Type.String(), { maxItems: 4096 }),
  }),
  { maxItems: 4096 },
);
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** Throws LV_NOT_FOUND, LV_USAGE, LV_IMAGE_PLATFORM, LV_IMAGE_DIGEST. */
export async function addDockerArchive(tree: Tree, file: string, options: ConvertOptions): Promise<Converted> {
  const archive = await Archive.read(file, options);
  const images = await readJson(SavedImages, archive.open("manifest.json"), `manifest.json of ${file}`);
  const [image, ...others] = images;
  if (image === undefined || others.length > 0)
    throw new LightvError("LV_USAGE", `${file} has ${images.length} images`, { hint: "save one at a time: docker save -o FILE IMAGE" });
  const what = `the configuration ${image.Config} of ${file}`;
  const config = parseConfigFile(await collect(archive.open(image.Config), MAX_CONFIG_BYTES, what), what, options.platform);
  const { diff_ids: diffIds } = config.rootfs;
  if (diffIds.length !== image.Layers.length)
    throw new LightvError("LV_USAGE", `${what} names ${diffIds.length} layers, and manifest.json ${image.Layers.length}`, {
      hint: "save it again",
    });
  for (const [number, layer] of image.Layers.entries()) {
    const blob = { what: `the layer ${layer} of ${file}`, size: 0, open: () => archive.open(layer) };
    await addLayer(tree, blob, { diffId: diffIds[number] }, options);
  }
  return { architecture: config.architecture, config: keepConfig(config.config, what) };
}

/** The archive's own entries as a tree; old archives link layers to each other. */
class Archive {
  readonly #tree = new ArchiveTree();
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  static async read(file: string, { spool, warn, signal }: ConvertOptions): Promise<Archive> {
    const archive = new Archive(file);
    const stats = await stat(file).catch((error: unknown) => {
      throw new LightvError("LV_NOT_FOUND", `can't read ${file}: ${messageOf(error)}`, {
        hint: "name a file that docker save has written",
      });
    });
    const { packing, bytes } = await unpack(createReadStream(file, { highWaterMark: 1 << 18 }), file);
    const direct = packing === "plain" && stats.isFile() ? { direct: file } : {};
    await addTar(archive.#tree, bytes, {
      spool,
      warn,
      whiteouts: false,
      needEnd: true,
      ...(signal === undefined ? {} : { signal }),
      ...direct,
    });
    return archive;
  }

  async *open(path: string, links = 0): AsyncGenerator<Uint8Array> {
    const node = this.#tree.get(path);
    if (node?.kind === "symlink" && links < 8) {
      yield* this.open(join("/", path, "..", node.target), links + 1);
      return;
    }
    if (node?.kind !== "file")
      throw new LightvError("LV_USAGE", `${this.#file} has no file ${path}`, {
        hint: "it must be what docker save writes; lightv import takes a file system",
      });
    const { path: host, offset, length } = node.content;
    if (length > 0) yield* createReadStream(host, { start: offset, end: offset + length - 1, highWaterMark: 1 << 18 });
  }
}
