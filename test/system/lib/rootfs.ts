/**
 * Makes and keeps the root file systems of virtual devices: Debian 12 with systemd and Debian's own kernel, as a bare ext4 image with
 * kernel and initrd beside it. Two layers, each named by a hash of its recipe: the packages (minutes), and the disk (seconds).
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, cp, glob, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { arch } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run, TOP } from "#test/lib/command.ts";
import { DISK_BYTES, DPKG_OPTIONS, diskKey, ENABLED, MASKED, type Platform, packages, packagesKey, SUITE } from "./recipe.ts";

const GUEST = join(dirname(fileURLToPath(import.meta.url)), "..", "guest");
export const CACHE = join(TOP, "build", "system");

export interface RootFs {
  readonly platform: Platform;
  /** Bare ext4. Never written to: machines boot from overlays of it. */
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
  /** A static busybox of the platform, for apps' images. */
  readonly busybox: string;
}

type Say = (line: string) => void;

/** The root file system of a platform, from the cache or made now. Throws with the tool's output. Needs root, and Debian's mirror. */
export async function rootFs(platform: Platform, say: Say = () => {}): Promise<RootFs> {
  const directory = join(CACHE, `disk-${platform}-${diskKey(platform, GUEST)}`);
  if (!existsSync(directory)) {
    const layer = await packagesLayer(platform, say);
    await whole(directory, (draft) => makeDisk(layer, draft));
  }
  const file = (name: string): string => join(directory, name);
  return { platform, disk: file("root.ext4"), kernel: file("vmlinuz"), initrd: file("initrd"), busybox: file("busybox") };
}

async function packagesLayer(platform: Platform, say: Say): Promise<string> {
  const directory = join(CACHE, `packages-${platform}-${packagesKey(platform, GUEST)}`);
  if (!existsSync(directory)) {
    say(`making a root file system of Debian packages for ${platform}: one to five minutes, once`);
    await whole(directory, async (draft) => {
      const foreign = platform !== (arch() === "arm64" ? "arm64" : "amd64");
      await (foreign ? emulated : tool)("mmdebstrap", mmdebstrap(platform, join(draft, "root.tar"), await sources()));
    });
  }
  return join(directory, "root.tar");
}

/** Runs `make` on a draft directory and gives it its name when all is there. */
async function whole(directory: string, make: (draft: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(directory), { recursive: true });
  const draft = await mkdtemp(`${directory}.`);
  try {
    await make(draft);
    await chmod(draft, 0o755);
    // Somebody may have been quicker; theirs is as good.
    await rename(draft, directory).catch((error: NodeJS.ErrnoException) => {
      if (!existsSync(directory)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function mmdebstrap(platform: Platform, target: string, mirrors: readonly string[]): string[] {
  return [
    "--mode=root",
    "--variant=apt",
    `--architectures=${platform}`,
    "--skip=check/qemu",
    `--include=${packages(platform).join(",")}`,
    "--aptopt=APT::Install-Recommends false",
    "--aptopt=Acquire::Languages none",
    ...DPKG_OPTIONS.map((option) => `--dpkgopt=${option}`),
    `--setup-hook=cp -a ${join(GUEST, "before")}/. "$1"`,
    SUITE,
    target,
    ...mirrors,
  ];
}

/** The mirrors that this machine's own apt uses, as lines of sources.list; Debian's own when they can't be told. */
async function sources(): Promise<string[]> {
  const format = "$(ORIGIN)|$(CODENAME)|deb $(REPO_URI) $(RELEASE) main";
  const { stdout } = await run("apt-get", ["indextargets", "Created-By: Packages", "Component: main", "--format", format]);
  const lines = stdout
    .split("\n")
    .map((line) => line.split("|"))
    .filter(([origin, codename]) => origin === "Debian" && codename?.startsWith(SUITE));
  return [...new Set(lines.map(([, , line]) => line ?? ""))];
}

async function makeDisk(layer: string, draft: string): Promise<void> {
  const root = join(draft, "root");
  await mkdir(root);
  // /dev has its nodes from udev; the archive's would need mknod(2).
  await tool("tar", ["-xf", layer, "-C", root, "--xattrs", "--xattrs-include=*", "--numeric-owner", "--exclude=./dev/*"]);
  await cp(join(GUEST, "after"), root, { recursive: true });
  await tool("chown", ["-R", "root:root", join(root, "etc/systemd"), join(root, "usr/local/sbin")]);
  const units = join(root, "etc/systemd/system");
  await mkdir(join(units, "sysinit.target.wants"), { recursive: true });
  for (const unit of ENABLED) {
    const at = existsSync(join(units, unit)) ? "/etc/systemd/system" : "/lib/systemd/system";
    await symlink(`${at}/${unit}`, join(units, "sysinit.target.wants", unit));
  }
  for (const unit of MASKED) await symlink("/dev/null", join(units, unit));
  await tool("sh", [
    "-c",
    'cd "$1" && echo device >etc/hostname && echo nameserver 10.0.2.3 >etc/resolv.conf && : >etc/machine-id',
    "sh",
    root,
  ]);
  await copyFile(await only(join(root, "boot/vmlinuz-*")), join(draft, "vmlinuz"));
  await copyFile(await only(join(root, "boot/initrd.img-*")), join(draft, "initrd"));
  await copyFile(join(root, "usr/bin/busybox"), join(draft, "busybox"));
  const disk = join(draft, "root.ext4");
  await writeFile(disk, "");
  await truncate(disk, DISK_BYTES);
  await tool("/sbin/mkfs.ext4", ["-q", "-F", "-L", "root", "-m", "1", "-d", root, disk]);
  await rm(root, { recursive: true });
}

async function only(pattern: string): Promise<string> {
  for await (const file of glob(pattern)) return file;
  throw new Error(`there is no ${pattern}: was the kernel installed?`);
}

/**
 * Runs a tool that starts programs of the other platform. The kernel is told of qemu-aarch64-static for just that long; binfmt_misc is
 * mounted only in the tool's own mount namespace, but what is registered there holds for the whole kernel.
 */
async function emulated(command: string, args: readonly string[]): Promise<void> {
  const magic = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`;
  const mask = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;
  const name = `lightv-test-${process.pid}`;
  // F: the interpreter is opened now, so that it is found under every root.
  const script = `
    set -eu
    mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
    printf '%s' '${`:${name}:M::${magic}:${mask}:/usr/bin/qemu-aarch64-static:F`}' >/proc/sys/fs/binfmt_misc/register
    trap 'echo -1 >/proc/sys/fs/binfmt_misc/${name}' EXIT
    "$@"`;
  await tool("unshare", ["--mount", "sh", "-c", script, "sh", command, ...args]);
}

function tool(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
    let output = "";
    const add = (data: Buffer): void => {
      output = (output + data.toString("utf8")).slice(-20_000);
    };
    child.stdout.on("data", add);
    child.stderr.on("data", add);
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}:\n${output}`))));
  });
}
