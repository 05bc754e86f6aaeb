/** What the device is. systeminformation is large, so it is loaded in a process of its own that lives for a moment. */
import { execFile } from "node:child_process";
import { LightvError } from "#agent/lib/errors.ts";
import type { Inventory } from "#agent/wire/protocol/reported.ts";

const TIMEOUT_MS = 60_000;

/** GOARCH name of this machine. */
export function goArch(arch: string = process.arch): string {
  return { x64: "amd64", ia32: "386" }[arch] ?? arch;
}

/** Runs `command` (this program with --inventory) and reads what it prints. Throws LV_INTERNAL. */
export function readInventory(command: readonly string[], signal: AbortSignal): Promise<Inventory> {
  const [file = "", ...args] = command;
  return new Promise((resolve, reject) => {
    execFile(file, args, { timeout: TIMEOUT_MS, maxBuffer: 1 << 20, signal }, (error, stdout, stderr) => {
      try {
        if (error !== null) throw error;
        resolve(JSON.parse(stdout) as Inventory);
      } catch (cause) {
        const said = stderr.trim().split("\n").at(-1) ?? "";
        reject(new LightvError("LV_INTERNAL", `the inventory could not be read: ${said === "" ? String(cause) : said}`, { cause }));
      }
    });
  });
}

/** In that process. */
export async function collectInventory(root: string): Promise<Inventory> {
  const { default: si } = await import("systeminformation");
  const [system, os, cpu, memory, disks, interfaces] = await Promise.all([
    si.system(),
    si.osInfo(),
    si.cpu(),
    si.mem(),
    si.fsSize(),
    si.networkInterfaces(),
  ]);
  const disk = disks
    .filter(({ mount }) => root === mount || root.startsWith(mount.endsWith("/") ? mount : `${mount}/`))
    .sort((a, b) => b.mount.length - a.mount.length)[0];
  return {
    hostname: cut(os.hostname, 255),
    architecture: goArch(),
    kernel: cut(os.kernel, 128),
    os: cut(`${os.distro} ${os.release}`.trim(), 256),
    cpu: cut(`${cpu.manufacturer} ${cpu.brand}`.trim(), 256),
    cores: cpu.cores,
    memoryBytes: memory.total,
    diskBytes: disk?.size ?? 0,
    ...known("model", `${system.manufacturer} ${system.model}`.trim()),
    ...known("serial", system.serial),
    network: (Array.isArray(interfaces) ? interfaces : [interfaces]).slice(0, 32).map(({ iface, ip4, ip6 }) => ({
      name: cut(iface, 32),
      addresses: [ip4, ip6].filter((address) => address !== "").map((address) => cut(address, 64)),
    })),
  };
}

function known<K extends string>(key: K, value: string): { [P in K]?: string } {
  return value === "" || value === "-" ? {} : ({ [key]: cut(value, 256) } as { [P in K]?: string });
}

function cut(text: string, length: number): string {
  return text.slice(0, length);
}
