/** A Debian package out of a directory tree: the control files, then dpkg-deb. */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../run.ts";
import { type Effort, normalizeModes, setTimes, walk } from "./archive.ts";

export interface DebOptions {
  /** What will lie under /. */
  readonly root: string;
  /** cross-build/debian/<package>: control, maintainer scripts, and what lintian need not say. */
  readonly debian: string;
  readonly version: string;
  readonly architecture: string;
  readonly epoch: number;
  readonly effort: Effort;
  /** Exceptions of the usual modes, by path below `root`. */
  readonly modes: Readonly<Record<string, number>>;
  readonly output: string;
}

const SCRIPTS = ["preinst", "postinst", "prerm", "postrm"] as const;

/**
 * Adds DEBIAN/ to the tree and packs it. xz at 6: a level more saves 1 % and asks devices for tens of megabytes of memory to unpack.
 * One thread: more would cut the stream in pieces.
 */
export function writeDeb(options: DebOptions): void {
  const { root, debian, epoch, effort, output } = options;
  const meta = join(root, "DEBIAN");
  const overrides = join(root, "usr", "share", "lintian", "overrides");
  mkdirSync(overrides, { recursive: true });
  copyFileSync(join(debian, "lintian-overrides"), join(overrides, basename(debian)));
  normalizeModes(root, options.modes);
  const files = [...walk(root)].filter((path) => lstatSync(join(root, path)).isFile());
  const size = installedKib([...walk(root)].map((path) => entryBytes(join(root, path))));
  mkdirSync(meta, { mode: 0o755 });
  const control = readFileSync(join(debian, "control"), "utf8");
  const values = { VERSION: options.version, ARCHITECTURE: options.architecture, INSTALLED_SIZE: String(size) };
  writeFileSync(join(meta, "control"), fill(control, values));
  writeFileSync(join(meta, "conffiles"), conffiles(files));
  writeFileSync(join(meta, "md5sums"), files.map((path) => `${md5(join(root, path))}  ${path}\n`).join(""));
  for (const script of SCRIPTS) {
    if (existsSync(join(debian, script))) copyFileSync(join(debian, script), join(meta, script));
  }
  normalizeModes(meta, Object.fromEntries(SCRIPTS.map((script) => [script, 0o755])));
  setTimes(root, epoch);
  const compression = ["-Zxz", `-z${effort === "small" ? 6 : 0}`, ...(effort === "small" ? ["-Sextreme"] : []), "--threads-max=1"];
  run("dpkg-deb", ["--root-owner-group", ...compression, "--build", root, output], { env: { SOURCE_DATE_EPOCH: String(epoch) } });
}

/** Pure: replaces @NAME@. Throws on a name without a value. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the template wants @${name}@, which has no value`);
    return value;
  });
}

/** Pure: what lies in /etc is the administrator's to change. */
export function conffiles(files: readonly string[]): string {
  return files
    .filter((path) => path.startsWith("etc/"))
    .map((path) => `/${path}\n`)
    .join("");
}

/** Pure: Debian Policy 5.6.20: each file rounded up to KiB, 1 KiB for anything else. */
export function installedKib(sizes: readonly number[]): number {
  return sizes.reduce((total, bytes) => total + Math.max(1, Math.ceil(bytes / 1024)), 0);
}

function entryBytes(file: string): number {
  const stats = lstatSync(file);
  return stats.isFile() ? stats.size : 0;
}

function md5(file: string): string {
  return createHash("md5").update(readFileSync(file)).digest("hex");
}
