/** Small real images, made by the project's own importer from Debian's busybox-static. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ImageConfig } from "#agent/image/manifest.ts";
import { normalizeImageName } from "#agent/image/name.ts";
import { hostArchitecture } from "#agent/image/platform.ts";
import { directory, PLAIN, Tree } from "#agent/image/tree.ts";
import { temporaryBeside, writeImageFile } from "#agent/image/writer.ts";
import { commitImage } from "#agent/store/commit.ts";

const BUSYBOX = "/bin/busybox";
const APPLETS = ["sh", "true", "false", "echo", "cat", "sleep", "ls", "httpd", "id", "env", "pwd", "touch", "mkdir", "rm", "kill", "ps"];

export interface TestImageOptions {
  /** NAME[:TAG]; default "test". */
  readonly name?: string;
  readonly cmd?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env?: readonly string[];
  readonly config?: ImageConfig;
  /** More files: absolute path to content; mode 0644, or 0755 for scripts ("#!") and ELF programs. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly architecture?: string;
  /** A static busybox of that architecture; default: this machine's. */
  readonly busybox?: string;
}

export interface TestImage {
  /** NAME:TAG. */
  readonly name: string;
  readonly digest: string;
  readonly size: number;
  /** The `.lv` file. */
  readonly path: string;
}

/** Why images can't be built here, or undefined. */
export function imagesUnavailable(): string | undefined {
  return existsSync(BUSYBOX) ? undefined : `${BUSYBOX} is missing: apt-get install busybox-static`;
}

/** busybox with its usual applets in /bin, /etc/passwd and the usual directories, put into the store of `root` under its name. */
export async function busyboxImage(root: string, options: TestImageOptions = {}): Promise<TestImage> {
  return withTree(options, async (tree) => {
    const image = await commitImage(root, randomBytes(8).toString("hex"), tree, describe(options));
    return { name: describe(options).name, digest: image.digest, size: image.size, path: image.path };
  });
}

/** The same as a `.lv` file anywhere. */
export async function busyboxImageFile(path: string, options: TestImageOptions = {}): Promise<TestImage> {
  return withTree(options, async (tree) => {
    const temporary = temporaryBeside(path, randomBytes(8).toString("hex"));
    const image = await writeImageFile(temporary, () => path, tree, describe(options));
    return { name: describe(options).name, digest: image.digest, size: image.size, path };
  });
}

/** An image that says hello and ends. */
export function helloImage(root: string, options: TestImageOptions = {}): Promise<TestImage> {
  return busyboxImage(root, { name: "hello", cmd: ["/bin/busybox", "echo", "hello"], ...options });
}

function describe(options: TestImageOptions) {
  return {
    name: normalizeImageName(options.name ?? "test"),
    architecture: options.architecture ?? hostArchitecture(),
    created: "2024-01-01T00:00:00Z",
    config: {
      Cmd: [...(options.cmd ?? ["/bin/sh"])],
      Env: [...(options.env ?? ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])],
      ...(options.entrypoint === undefined ? {} : { Entrypoint: [...options.entrypoint] }),
      ...options.config,
    },
  };
}

async function withTree<T>(options: TestImageOptions, use: (tree: Tree) => Promise<T>): Promise<T> {
  const scratch = mkdtempSync(join(tmpdir(), "lightv-image-"));
  try {
    return await use(makeTree(options, scratch));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function makeTree(options: TestImageOptions, scratch: string): Tree {
  const tree = new Tree();
  const busybox = options.busybox ?? BUSYBOX;
  for (const path of ["/bin", "/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/var", "/root"])
    tree.put(path, directory({ ...PLAIN, mode: path === "/tmp" ? 0o1777 : 0o755 }));
  tree.put("/bin/busybox", { ...PLAIN, kind: "file", content: { path: busybox, offset: 0, length: statSync(busybox).size } });
  for (const applet of APPLETS) tree.put(`/bin/${applet}`, { ...PLAIN, mode: 0o777, kind: "symlink", target: "busybox" });
  const files = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    ...options.files,
  };
  for (const [index, [path, content]] of Object.entries(files).entries()) {
    const bytes = Buffer.from(content);
    const spool = join(scratch, String(index));
    writeFileSync(spool, bytes);
    const mode = /^(#!|\x7fELF)/.test(bytes.subarray(0, 4).toString("latin1")) ? 0o755 : 0o644;
    if (dirname(path) !== "/" && tree.get(dirname(path)) === undefined) tree.put(dirname(path), directory(PLAIN));
    tree.put(path, { ...PLAIN, mode, kind: "file", content: { path: spool, offset: 0, length: bytes.length } });
  }
  return tree;
}
