/** Whether virtual devices of a platform run on the processor itself (KVM) or are emulated (TCG), and with which processor. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { arch } from "node:os";
import type { Platform } from "./recipe.ts";
import type { RootFs } from "./rootfs.ts";

export interface Accelerator {
  readonly kind: "kvm" | "tcg";
  readonly args: readonly string[];
}

const PROBE_MS = 10_000;
// "max" has features under TCG whose emulation is slow (pointer authentication, five-level page tables) or that no small device has.
const EMULATED: Readonly<Record<Platform, string>> = { amd64: "qemu64,-svm,+ssse3,+sse4.1,+sse4.2,+popcnt", arm64: "cortex-a72" };

export const qemuOf = (platform: Platform): string => (platform === "amd64" ? "qemu-system-x86_64" : "qemu-system-aarch64");
export const boardOf = (platform: Platform): string => (platform === "amd64" ? "q35" : "virt,gic-version=3");

/** The quickest that works here. `wanted` overrides; KVM that is wanted and does not work is thrown. */
export async function accelerator(base: RootFs, wanted?: "kvm" | "tcg"): Promise<Accelerator> {
  if (wanted !== "tcg") {
    for (const cpu of native(base.platform)) {
      const args = ["-accel", "kvm", "-cpu", cpu];
      if (await speaks(base, args)) return { kind: "kvm", args };
    }
    if (wanted === "kvm") throw new Error(`no virtual ${base.platform} machine starts with KVM here`);
  }
  return { kind: "tcg", args: ["-accel", "tcg,thread=multi", "-cpu", EMULATED[base.platform]] };
}

function native(platform: Platform): readonly string[] {
  if (!existsSync("/dev/kvm") || (arch() === "x64") !== (platform === "amd64")) return [];
  // Without arch-capabilities: hypervisors that hide that register make QEMU abort.
  return platform === "amd64" ? ["host", "host,-arch-capabilities"] : ["host"];
}

/**
 * Whether the kernel says anything on its console. That /dev/kvm opens, and even that QEMU starts, says little: under some hypervisors
 * a nested machine stands still at its first instructions.
 */
function speaks(base: RootFs, args: readonly string[]): Promise<boolean> {
  const machine = ["-machine", boardOf(base.platform), "-m", "256", "-nodefaults", "-display", "none", "-no-reboot"];
  const kernel = ["-kernel", base.kernel, "-append", "console=ttyS0 console=ttyAMA0 panic=-1", "-serial", "stdio"];
  const command = ["--pdeathsig", "KILL", qemuOf(base.platform), ...machine, ...args, ...kernel];
  const child = spawn("setpriv", command, { stdio: ["ignore", "pipe", "ignore"] });
  return new Promise<boolean>((resolve) => {
    let text = "";
    const timer = setTimeout(resolve, PROBE_MS, false);
    child.stdout.on("data", (data: Buffer) => {
      text += data.toString("latin1");
      if (text.includes("Linux version")) resolve(true);
    });
    child.on("exit", () => resolve(false));
    child.on("error", () => resolve(false));
    child.on("exit", () => clearTimeout(timer));
  }).finally(() => child.kill("SIGKILL"));
}
