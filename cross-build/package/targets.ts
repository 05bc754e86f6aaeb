/** The platforms that packages are for, and what differs between them. */
import type { Flavour } from "../native.ts";

export interface Target {
  /** Debian's name, which is Go's too. */
  readonly architecture: "amd64" | "arm64";
  /** process.arch of Node, and the suffix of the npm package that carries its binary. */
  readonly cpu: "x64" | "arm64";
  readonly flavour: Flavour;
  readonly tests: Flavour;
  readonly strip: string;
  /** Runs its programs on the machine that builds: empty when they run by themselves. */
  readonly emulator: readonly string[];
  /** Debian packages of the linked-in run time libraries: from the sysroot's versions when `cross`. */
  readonly cross: boolean;
  readonly libc: string;
  readonly libstdcxx: string;
}

export const TARGETS: readonly Target[] = [
  {
    architecture: "amd64",
    cpu: "x64",
    flavour: "release",
    tests: "tests-amd64",
    strip: "strip",
    emulator: [],
    cross: false,
    libc: "libc6-dev",
    libstdcxx: "libstdc++-12-dev",
  },
  {
    architecture: "arm64",
    cpu: "arm64",
    flavour: "arm64",
    tests: "tests-arm64",
    strip: "aarch64-linux-gnu-strip",
    emulator: ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu"],
    cross: true,
    libc: "libc6-dev-arm64-cross",
    libstdcxx: "libstdc++-12-dev-arm64-cross",
  },
];

/** The target that is this machine. Throws on any other kind of machine. */
export function hostTarget(): Target {
  const target = TARGETS.find(({ cpu }) => cpu === process.arch);
  if (target === undefined) throw new Error(`LightV is not built on ${process.arch}: use an x86-64 machine`);
  return target;
}
