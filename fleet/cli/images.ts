/** `lightv fleet push`, `images`, `image rm`. */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import type { Command } from "commander";
import { readFileIfExists } from "#agent/lib/atomic-file.ts";
import { LightvError } from "#agent/lib/errors.ts";
import type { Client } from "./client.ts";
import { ago, bytes, Progress, printRows } from "./output.ts";
import { openSession } from "./session.ts";
import { withTag } from "./values.ts";
import type { ImageView } from "./views.ts";

export function imageVerbs(fleet: Command): void {
  fleet
    .command("push <image>")
    .description("Push an image of this machine's store, or a .lv file, to the controller")
    .option("--name <name>", "what it is called there (default: as it is here)")
    .option("-q, --quiet", "only the digest")
    .action(async (image: string, options: { name?: string; quiet?: boolean }, command: Command) => {
      const { client, format } = await openSession(command);
      const { pushed, known } = await push(client, image, options.name, options.quiet ?? false);
      if (format === "json") console.log(JSON.stringify(pushed));
      else if (options.quiet) console.log(pushed.digest);
      else console.log(`${pushed.name}: ${pushed.digest} (${bytes(pushed.size)})${known ? ", already there" : ""}`);
    });

  fleet
    .command("images")
    .description("List the controller's images")
    .option("-q, --quiet", "only digests")
    .action(async (options: { quiet?: boolean }, command: Command) => {
      const { client, format } = await openSession(command);
      const { images } = await client.call<{ images: ImageView[] }>("GET", "/v1/images");
      if (options.quiet) for (const { digest } of images) console.log(digest);
      else
        printRows(format, images, {
          REPOSITORY: ({ name }) => name.slice(0, name.lastIndexOf(":")),
          TAG: ({ name }) => name.slice(name.lastIndexOf(":") + 1),
          DIGEST: ({ digest }) => digest.slice(7, 19),
          ARCH: ({ architecture }) => architecture,
          PUSHED: ({ pushedAt }) => ago(pushedAt, Date.now()),
          SIZE: ({ size }) => bytes(size),
        });
    });

  fleet
    .command("image")
    .description("One image")
    .command("rm <image>")
    .description("Delete an image that no device uses, by its name or digest")
    .action(async (image: string, _options: object, command: Command) => {
      const { client } = await openSession(command);
      const { images } = await client.call<{ images: ImageView[] }>("GET", "/v1/images");
      const digest = pickImage(images, image);
      await client.call("DELETE", `/v1/images/${encodeURIComponent(digest)}`);
      console.log(digest);
    });
}

/** As in Docker: a name (no tag: latest), or a digest or its beginning, as `images` shows it. Pure. */
export function pickImage(images: readonly ImageView[], reference: string): string {
  const hex = reference.replace(/^sha256:/, "");
  const found = new Set(
    images
      .filter(({ name, digest }) => name === withTag(reference) || (/^[0-9a-f]{4,64}$/.test(hex) && digest.startsWith(`sha256:${hex}`)))
      .map(({ digest }) => digest),
  );
  const [digest] = found;
  if (digest === undefined)
    throw new LightvError("LV_NOT_FOUND", `no image "${reference}" on the controller`, { hint: "`lightv fleet images` lists them" });
  if (found.size > 1)
    throw new LightvError("LV_CONFLICT", `"${reference}" is more than one image on the controller`, { hint: "give more of the digest" });
  return digest;
}

/** `image` as locate() takes it. `known`: it was there already. */
export async function push(
  client: Client,
  image: string,
  givenName: string | undefined,
  quiet: boolean,
): Promise<{ pushed: ImageView; known: boolean }> {
  const { path, name, digest } = await locate(image);
  const wanted = givenName ?? name;
  const known = digest === undefined ? undefined : await find(client.call<{ images: ImageView[] }>("GET", "/v1/images"), digest, wanted);
  if (known !== undefined) return { pushed: known, known: true };
  const progress = new Progress(`Pushing ${basename(wanted ?? image)}`, quiet);
  const query = wanted === undefined ? "" : `?name=${encodeURIComponent(withTag(wanted))}`;
  const upload = client.upload<ImageView>(`/v1/images${query}`, path, (done, total) => progress.show(done, total));
  return { pushed: await upload.finally(() => progress.end()), known: false };
}

async function find(list: Promise<{ images: ImageView[] }>, digest: string, name: string | undefined): Promise<ImageView | undefined> {
  return (await list).images.find((image) => image.digest === digest && (name === undefined || image.name === withTag(name)));
}

/** A .lv file, or a name in the store (docs/sandbox.md says where that is). */
async function locate(image: string): Promise<{ path: string; name?: string; digest?: string }> {
  if (image.endsWith(".lv") || image.startsWith("/") || image.startsWith("./")) {
    if (existsSync(image)) return { path: image };
    throw new LightvError("LV_NOT_FOUND", `no file ${image}`, { hint: "`lightv import -o FILE.lv` writes one" });
  }
  const root = process.env.LIGHTV_ROOT ?? "/var/lib/lightv";
  const name = withTag(image);
  const reference = await readFileIfExists(join(root, "refs", name.replaceAll("%", "%25").replaceAll("/", "%2F")));
  const digest = reference?.trim();
  if (digest === undefined || !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw new LightvError("LV_NOT_FOUND", `no image "${name}" in ${root}`, {
      hint: "`lightv images` lists them; a file's name ends with .lv",
    });
  return { path: join(root, "images", `${digest.replace(":", "-")}.lv`), name, digest };
}
