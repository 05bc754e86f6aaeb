/** The package under test, and a disk with it installed. */
import { createHash } from "node:crypto";
import { existsSync, globSync } from "node:fs";
import { link, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DIST } from "#test/lib/command.ts";
import { Machine, makeOverlay } from "./machine.ts";
import type { Platform } from "./recipe.ts";
import { CACHE, type RootFs } from "./rootfs.ts";
import { tool } from "./tool.ts";

const DAY_MS = 86_400_000;

/** The newest device package of a platform. LIGHTV_SYSTEM_PACKAGES names another directory than dist/packages. */
export function packageFile(platform: Platform): string {
  return newest(`lightv_*_${platform}.deb`, platform);
}

/** The same as an archive of its tree. */
export function archiveFile(platform: Platform): string {
  return newest(`lightv-*-linux-${platform}.tar.zst`, platform);
}

function newest(pattern: string, platform: Platform): string {
  const directory = process.env.LIGHTV_SYSTEM_PACKAGES ?? join(DIST, "packages");
  const file = globSync(pattern, { cwd: directory }).sort().at(-1);
  if (file === undefined) throw new Error(`there is no package for ${platform} in ${directory}: npm run package`);
  return join(directory, file);
}

/**
 * A qcow2 disk of a device on which the package has been installed and that was then switched off in order: made once for each package.
 * It has no controller yet. Machines boot from overlays of it.
 */
export async function installedDisk(base: RootFs, say: (line: string) => void): Promise<string> {
  const deb = packageFile(base.platform);
  const hash = createHash("sha256")
    .update(await readFile(deb))
    .update(base.disk)
    .digest("hex")
    .slice(0, 16);
  await mkdir(CACHE, { recursive: true });
  const disk = join(CACHE, `installed-${base.platform}-${hash}.qcow2`);
  if (existsSync(disk)) return disk;
  await removeOld(base.platform);
  say(`installing ${deb} on a virtual device`);
  const draft = `${disk}.${process.pid}`;
  await makeOverlay(base.disk, draft);
  const machine = new Machine(base, { disk: { file: draft } });
  try {
    await machine.start();
    await install(machine, deb);
    await machine.stop();
    // Never over another's: machines that boot from it open it again at each reboot.
    await link(draft, disk).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await machine.close();
    await rm(draft, { force: true });
  }
  return disk;
}

/** Disks of earlier packages; not of today's, from which a machine of another run may boot. */
async function removeOld(platform: Platform): Promise<void> {
  for (const name of globSync(`installed-${platform}-*.qcow2`, { cwd: CACHE })) {
    const { mtimeMs } = await stat(join(CACHE, name));
    if (Date.now() - mtimeMs > DAY_MS) await rm(join(CACHE, name), { force: true });
  }
}

/**
 * A package that dpkg takes for an older version of `deb`, in `directory`: what is in it is the same, unless LIGHTV_SYSTEM_OLDER names one that really
 * is older.
 */
export async function olderPackage(deb: string, directory: string): Promise<string> {
  const older = process.env.LIGHTV_SYSTEM_OLDER;
  if (older !== undefined) return older;
  const [tree, file] = [join(directory, "older"), join(directory, "older.deb")];
  await tool("dpkg-deb", "-R", deb, tree);
  const control = join(tree, "DEBIAN/control");
  const text = await readFile(control, "utf8");
  const renamed = text.replace(/^Version: .*$/m, (line) => `${line}~older`);
  await writeFile(control, renamed);
  await tool("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, file);
  await rm(tree, { recursive: true });
  return file;
}

/** Installs, reinstalls, upgrades or goes back, as an administrator does; gives dpkg's output. Throws when another version is there afterwards. */
export async function install(machine: Machine, deb: string): Promise<string> {
  await machine.push(deb, "/var/tmp/lightv.deb");
  const output = await machine.ok("DEBIAN_FRONTEND=noninteractive dpkg -i /var/tmp/lightv.deb 2>&1", {
    timeoutMs: 120_000 * machine.patience,
  });
  const versions = await machine.ok(
    "dpkg-deb -f /var/tmp/lightv.deb Version; dpkg -s lightv | sed -n 's/^Version: //p'; rm /var/tmp/lightv.deb",
  );
  const [wanted, installed] = versions.split("\n");
  if (wanted !== installed) throw new Error(`dpkg -i of ${wanted} has left ${installed}: ${output}`);
  return output;
}
