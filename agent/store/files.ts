/** Names of the store's files (docs/sandbox.md). */
import { join } from "node:path";
import { LightvError } from "#agent/lib/errors.ts";

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Throws LV_USAGE: a digest becomes part of a path. */
export function checkDigest(digest: string): string {
  if (DIGEST.test(digest)) return digest;
  throw new LightvError("LV_USAGE", `"${digest}" is not a digest`, { hint: "it is sha256: and 64 hexadecimal digits" });
}

export class StoreFiles {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get images(): string {
    return join(this.root, "images");
  }

  get refs(): string {
    return join(this.root, "refs");
  }

  get partial(): string {
    return join(this.root, "partial");
  }

  image(digest: string): string {
    return join(this.images, `${checkDigest(digest).replace(":", "-")}.lv`);
  }

  unpacked(digest: string): string {
    return join(this.root, "unpacked", checkDigest(digest).replace(":", "-"));
  }

  ref(name: string): string {
    return join(this.refs, name.replaceAll("%", "%25").replaceAll("/", "%2F"));
  }

  /** A download under way; `.journal` and `.lock` lie beside it. */
  download(digest: string): string {
    return join(this.partial, `${checkDigest(digest).replace(":", "-")}.lv`);
  }
}

/** The digest that a file of images/ is named for. */
export function digestOfFile(name: string): string | undefined {
  const match = /^sha256-([0-9a-f]{64})\.lv$/.exec(name);
  return match === null ? undefined : `sha256:${match[1]}`;
}

/** The name that a file of refs/ stands for. */
export function nameOfRef(file: string): string {
  return file.replaceAll("%2F", "/").replaceAll("%25", "%");
}
