/** What the device is, read from the kernel by this process: a second one would not fit beside it into 32 MiB. */
import { readFile, statfs } from "node:fs/promises";
import { cpus, hostname, networkInterfaces, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Inventory } from "#agent/wire/protocol/reported.ts";

const MOST_INTERFACES = 32;
const MOST_ADDRESSES = 16;
/** What boards without a name of their own have in its place. */
const NOTHING = [
  "none",
  "unknown",
  "default string",
  "to be filled by o.e.m.",
  "not specified",
  "system product name",
  "system serial number",
];

/** GOARCH name of this machine. */
export function goArch(arch: string = process.arch): string {
  return { x64: "amd64", ia32: "386" }[arch] ?? arch;
}

/**
 * The disk is that of `root`; files of the system are looked for below `system`. What a machine doesn't tell is left out or empty: the
 * rest is worth having. Throws the system's error for a `root` that is gone.
 */
export async function readInventory(root: string, system = "/"): Promise<Inventory> {
  const read = (path: string): Promise<string> => readFile(join(system, path), "utf8").catch(() => "");
  const first = async (...paths: readonly string[]): Promise<string> => {
    for (const path of paths) {
      const text = known(await read(path));
      if (text !== "") return text;
    }
    return "";
  };
  const { blocks, bsize } = await statfs(root);
  const vendor = await first("sys/class/dmi/id/sys_vendor");
  const product = await first("sys/class/dmi/id/product_name", "sys/firmware/devicetree/base/model");
  const serial = await first("sys/class/dmi/id/product_serial", "sys/firmware/devicetree/base/serial-number");
  const model = product.startsWith(vendor) ? product : `${vendor} ${product}`;
  return {
    hostname: hostname().slice(0, 255),
    architecture: goArch(),
    kernel: release().slice(0, 128),
    os: osName((await read("etc/os-release")) || (await read("usr/lib/os-release"))),
    cpu: known(cpus()[0]?.model ?? ""),
    cores: cpus().length,
    memoryBytes: totalmem(),
    diskBytes: blocks * bsize,
    ...(model.trim() === "" ? {} : { model: model.trim().slice(0, 256) }),
    ...(serial === "" ? {} : { serial }),
    network: network(),
  };
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

/** A device tree ends its strings with a NUL. */
function known(text: string): string {
  const bare = text.replaceAll("\0", "").trim();
  return NOTHING.includes(bare.toLowerCase()) ? "" : bare.slice(0, 256);
}

function network(): Inventory["network"] {
  return Object.entries(networkInterfaces())
    .slice(0, MOST_INTERFACES)
    .map(([name, all = []]) => ({
      name: name.slice(0, 32),
      addresses: all.slice(0, MOST_ADDRESSES).map(({ address }) => address.slice(0, 64)),
    }));
}
