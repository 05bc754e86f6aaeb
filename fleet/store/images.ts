/** The catalogue of images. The files are the registry's; a row is written after its file has its name, and deleted before. */
import type { Db, ImageTable } from "./schema.ts";

export type ImageRow = ImageTable;

export async function putImage(db: Db, image: ImageRow): Promise<void> {
  const { digest, ...rest } = image;
  await db
    .insertInto("images")
    .values(image)
    .onConflict((oc) => oc.column("digest").doUpdateSet(rest))
    .execute();
}

/** Newest first. */
export function listImages(db: Db): Promise<ImageRow[]> {
  return db.selectFrom("images").selectAll().orderBy("pushed_at", "desc").orderBy("digest").execute();
}

export function findImage(db: Db, digest: string): Promise<ImageRow | undefined> {
  return db.selectFrom("images").selectAll().where("digest", "=", digest).executeTakeFirst();
}

/** The image that was pushed last under this name. */
export function findImageByName(db: Db, name: string): Promise<ImageRow | undefined> {
  return db.selectFrom("images").selectAll().where("name", "=", name).orderBy("pushed_at", "desc").limit(1).executeTakeFirst();
}

export async function removeImage(db: Db, digest: string): Promise<boolean> {
  return (await db.deleteFrom("images").where("digest", "=", digest).executeTakeFirst()).numDeletedRows > 0n;
}
