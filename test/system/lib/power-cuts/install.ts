/**
 * Puts a package onto a device's disk while the device is off, as an image builder does: no boot is spent on it. The scenarios of installing
 * on a living device are others.
 */
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rmdir, writeFile } from "node:fs/promises";
import { arch, tmpdir } from "node:os";
import { join } from "node:path";
import type { Platform } from "../recipe.ts";
import { tool } from "../tool.ts";

export interface InstallOptions {
  readonly platform: Platform;
  /** A raw ext4 image; changed. */
  readonly disk: string;
  readonly deb: string;
  /** Files of the device: absolute path to content, mode 0600. */
  readonly files: Readonly<Record<string, string>>;
}

/** What the package depends on beyond the root file system: from this machine, or from its cross toolchain. */
const LIBRARY = {
  amd64: { from: "/usr/lib/x86_64-linux-gnu/libatomic.so.1", to: "usr/lib/x86_64-linux-gnu/libatomic.so.1" },
  arm64: { from: "/usr/aarch64-linux-gnu/lib/libatomic.so.1", to: "usr/lib/aarch64-linux-gnu/libatomic.so.1" },
} as const;

/** Of Debian's qemu-user-static. */
const QEMU_USER = { amd64: "qemu-x86_64-static", arm64: "qemu-aarch64-static" } as const;

export async function installOffline({ platform, disk, deb, files }: InstallOptions): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "lightv-disk-"));
  await tool("mount", "-o", "loop", disk, root).catch(async (error: unknown) => {
    await rmdir(root);
    throw error;
  });
  try {
    await tool("dpkg-deb", "-x", deb, root);
    const { from, to } = LIBRARY[platform];
    if (!existsSync(join(root, to))) await copyFile(from, join(root, to));
    for (const [path, content] of Object.entries(files)) {
      await mkdir(join(root, path, ".."), { recursive: true });
      await writeFile(join(root, path), content, { mode: 0o600 });
    }
    await tool("systemctl", `--root=${root}`, "--quiet", "enable", "lightv.target");
  } finally {
    await tool("umount", root);
    await rmdir(root);
  }
}

/** The package's `lightv`, as this machine can run it: on the processor itself, or by QEMU's user mode. */
export async function commandOf(platform: Platform, deb: string, directory: string): Promise<readonly string[]> {
  const root = join(directory, "package");
  await tool("dpkg-deb", "-x", deb, root);
  const command = join(root, "usr/bin/lightv");
  return platform === (arch() === "arm64" ? "arm64" : "amd64") ? [command] : [QEMU_USER[platform], command];
}
