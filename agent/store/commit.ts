/** Puts a new image into a store: written in partial/, renamed when it is whole, then named. */
import { join } from "node:path";
import type { Tree } from "#agent/image/tree.ts";
import { type ImageDescription, type WriteOptions, type WrittenImage, writeImageFile } from "#agent/image/writer.ts";
import { makePrivateDirectory } from "#agent/lib/atomic-file.ts";
import { StoreFiles } from "./files.ts";
import { writeRef } from "./refs.ts";

/** `unique` is nobody else's, such as a random id. Throws what writeImageFile throws. */
export async function commitImage(
  root: string,
  unique: string,
  tree: Tree,
  description: ImageDescription,
  options: WriteOptions = {},
): Promise<WrittenImage & { readonly path: string }> {
  const files = new StoreFiles(root);
  for (const directory of [files.images, files.refs, files.partial]) await makePrivateDirectory(directory);
  const temporary = join(files.partial, `build-${unique}.lv`);
  const image = await writeImageFile(temporary, ({ digest }) => files.image(digest), tree, description, options);
  await writeRef(files, description.name, image.digest);
  return image;
}
