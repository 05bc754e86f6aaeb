/** What the device is, read from the kernel by this process: a second one would not fit beside it into 32 MiB. */
import { readFile, statfs } from "node:fs/promises";
import { hostname, networkInterfaces, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Inventory } from "#agent/wire/protocol/reported.ts";

const MOST_INTERFACES = 32;
const MOST_ADDRESSES = 16;
/** What boards without a name of their own have in its place. */
const NOTHING = /^(-|none|unknown|default|not specified|system (manufacturer|product name|serial number)|.*(default string|o\.e\.m).*)?$/i;

type Read = (path: string) => Promise<string>;

/** GOARCH name of this machine. */
export function goArch(arch: string = process.arch): string {
  return { x64: "amd64", ia32: "386" }[arch] ?? arch;
}

/**
 * The disk is that of `root`; files of the system are looked for below `system`. What can't be read is left out, empty or 0: the rest
 * is worth having.
 */
export async function readInventory(root: string, system = "/"): Promise<Inventory> {
  const read: Read = (path) => readFile(join(system, path), "utf8").catch(() => "");
  const disk = await statfs(root).catch(() => ({ blocks: 0, bsize: 0 }));
  return {
    hostname: hostname().slice(0, 255),
    architecture: goArch(),
    kernel: release().slice(0, 128),
    os: osName((await read("etc/os-release")) || (await read("usr/lib/os-release"))),
    cpu: cpuModel(await read("proc/cpuinfo"), await read("sys/firmware/devicetree/base/cpus/cpu@0/compatible")),
    cores: countCpus(await read("sys/devices/system/cpu/online")),
    memoryBytes: totalmem(),
    diskBytes: Math.min(disk.blocks * disk.bsize, Number.MAX_SAFE_INTEGER),
    ...(await board(read)),
    network: network(),
  };
}

/** From DMI, else from the device tree. */
async function board(read: Read): Promise<Pick<Inventory, "model" | "serial">> {
  const first = async (...paths: readonly string[]): Promise<string> => {
    for (const path of paths) {
      const text = known(await read(path));
      if (text !== "") return text;
    }
    return "";
  };
  const vendor = await first("sys/class/dmi/id/sys_vendor");
  const product = await first("sys/class/dmi/id/product_name", "sys/firmware/devicetree/base/model");
  const serial = await first("sys/class/dmi/id/product_serial", "sys/firmware/devicetree/base/serial-number");
  const model = (product.startsWith(vendor) ? product : `${vendor} ${product}`).trim().slice(0, 256);
  return { ...(model === "" ? {} : { model }), ...(serial === "" ? {} : { serial }) };
}

/** PRETTY_NAME of os-release(5), else NAME, else nothing. Pure. */
export function osName(text: string): string {
  for (const key of ["PRETTY_NAME", "NAME"]) {
    const value = new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
    const bare = /^(["'])(.*)\1$/.exec(value)?.[2] ?? value;
    if (bare !== "") return bare.replace(/\\(["'$`\\])/g, "$1").slice(0, 256);
  }
  return "";
}

/**
 * As /proc/cpuinfo names it, else the first name in the device tree. Not by os.cpus(), which also reads each processor's clock rate, waits
 * for it and aborts the process where a driver tells none. Pure.
 */
export function cpuModel(cpuinfo: string, compatible: string): string {
  return known(/^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? compatible.split("\0")[0] ?? "");
}

/** How many a list such as "0-3,6" names (cpuset(7), "List format"). Pure. */
export function countCpus(list: string): number {
  return list
    .trim()
    .split(",")
    .map((range) => /^(\d+)(?:-(\d+))?$/.exec(range))
    .reduce((sum, match) => sum + (match === null ? 0 : Number(match[2] ?? match[1]) - Number(match[1]) + 1), 0);
}

/** A device tree ends its strings with a NUL. */
function known(text: string): string {
  const bare = text.replaceAll("\0", "").trim();
  return NOTHING.test(bare) ? "" : bare.slice(0, 256);
}

function network(): Inventory["network"] {
  try {
    return listed(networkInterfaces());
  } catch {
    return [];
  }
}

/** As many as a report has room for. Pure. */
export function listed(interfaces: ReturnType<typeof networkInterfaces>): Inventory["network"] {
  return Object.entries(interfaces)
    .slice(0, MOST_INTERFACES)
    .map(([name, all = []]) => ({
      name: name.slice(0, 32),
      addresses: all.slice(0, MOST_ADDRESSES).map(({ address }) => address.slice(0, 64)),
    }));
}
