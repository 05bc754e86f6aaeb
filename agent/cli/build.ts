/** From a tree to an image in the store or in a file: what import and convert share. */
import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { capTimes, createdAt, parseSourceDateEpoch } from "#agent/image/created.ts";
import type { ImageConfig } from "#agent/image/manifest.ts";
import { Spool } from "#agent/image/spool.ts";
import { Tree } from "#agent/image/tree.ts";
import { temporaryBeside, type WriteOptions, type WrittenImage, writeImageFile } from "#agent/image/writer.ts";
import { makePrivateDirectory } from "#agent/lib/atomic-file.ts";
import { LightvError } from "#agent/lib/errors.ts";
import { commitImage } from "#agent/store/commit.ts";
import { type CliContext, rootOf } from "./context.ts";
import { bytesText, progressBar } from "./progress.ts";

export interface BuildOptions {
  /** NAME:TAG. */
  readonly name: string;
  /** Write this file and leave the store alone. */
  readonly output?: string;
  readonly quiet?: boolean;
}

export interface Filled {
  readonly architecture: string;
  readonly config: ImageConfig;
}

/** `fill` puts the input into the tree. Prints the digest, as `docker import` does. */
export async function buildImage(
  context: CliContext,
  options: BuildOptions,
  fill: (tree: Tree, spool: Spool) => Promise<Filled>,
): Promise<void> {
  const id = context.newId();
  const root = rootOf(context);
  const spool = new Spool(
    options.output === undefined ? `${root}/partial/spool-${id}` : temporaryBeside(resolve(options.output), `${id}.spool`),
  );
  const bar = progressBar(context, "Writing", options.quiet === true);
  try {
    const tree = new Tree();
    const filled = await fill(tree, spool);
    const created = createdAt(capTimes(tree, parseSourceDateEpoch(context.env.SOURCE_DATE_EPOCH)));
    const description = { name: options.name, ...filled, created };
    const writing: WriteOptions = {
      signal: context.signal,
      onProgress: (done, total) => bar.update(done, total),
      beforeWrite: roomCheck(options.output ?? root),
    };
    const image = await write(context, id, tree, description, options, writing);
    bar.end();
    context.stdout.write(`${image.digest}\n`);
  } finally {
    bar.end();
    await spool.close();
  }
}

async function write(
  context: CliContext,
  id: string,
  tree: Tree,
  description: Parameters<typeof commitImage>[3],
  { output }: BuildOptions,
  writing: WriteOptions,
): Promise<WrittenImage> {
  if (output === undefined) {
    await makePrivateDirectory(rootOf(context));
    return commitImage(rootOf(context), id, tree, description, writing);
  }
  const path = resolve(output);
  return writeImageFile(temporaryBeside(path, id), () => path, tree, description, writing);
}

/** Before the first byte, not after gigabytes: a sparse file of the input may claim any size. */
function roomCheck(place: string): (bytes: number, directory: string) => Promise<void> {
  return async (bytes, directory) => {
    const { bavail, bsize } = await statfs(directory);
    if (bytes > bavail * bsize)
      throw new LightvError(
        "LV_DISK_FULL",
        `the image takes ${bytesText(bytes)}, and ${dirname(place)} has ${bytesText(bavail * bsize)} left`,
        {
          hint: "free some space, or write it elsewhere with -o",
        },
      );
  };
}
