/** The native builds: one directory a flavour under build/, configured once, then left to ninja. */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { run } from "./run.ts";

interface Build {
  readonly env?: Readonly<Record<string, string>>;
  readonly options: readonly string[];
  /** A CMake toolchain file in cross-build/. */
  readonly toolchain?: string;
}

const RELEASE = ["-DCMAKE_BUILD_TYPE=Release", "-DLIGHTV_ADDON=ON"];
/** Without sanitizers and static, so that they run on a device that has nothing installed. */
const DEVICE_TESTS = ["-DCMAKE_BUILD_TYPE=Release", "-DLIGHTV_TESTS=ON"];
const ARM64 = "arm64.cmake";

const FLAVOURS = {
  release: { options: RELEASE },
  arm64: { options: RELEASE, toolchain: ARM64 },
  "tests-amd64": { options: DEVICE_TESTS },
  "tests-arm64": { options: DEVICE_TESTS, toolchain: ARM64 },
  asan: { options: ["-DLIGHTV_SANITIZE=ON", "-DLIGHTV_TESTS=ON", "-DCMAKE_BUILD_TYPE=Debug"] },
  fuzz: { env: { CC: "clang", CXX: "clang++" }, options: ["-DLIGHTV_FUZZ=ON", "-DCMAKE_BUILD_TYPE=Debug"] },
} satisfies Record<string, Build>;
export type Flavour = keyof typeof FLAVOURS;

export function buildDirectory(top: string, flavour: Flavour): string {
  return join(top, "build", flavour);
}

export interface NativeOptions {
  /** One target of the build alone. */
  readonly target?: string;
  /** Instead of build/<flavour>. */
  readonly directory?: string;
  /** Instead of package.json's. */
  readonly version?: string;
  /** Seconds since 1970 that the programs take for the time of their build. */
  readonly buildTime?: number;
}

/** Configures if need be and builds. Returns the directory; throws with the compiler's output when it fails. */
export function buildNative(top: string, flavour: Flavour, options: NativeOptions = {}): string {
  const { target, directory = buildDirectory(top, flavour), version = manifest.version, buildTime } = options;
  const { env = {}, options: settings, toolchain }: Build = FLAVOURS[flavour];
  const values = { LIGHTV_VERSION: version, ...(buildTime === undefined ? {} : { LIGHTV_BUILD_TIME: String(buildTime) }) };
  if (!isConfigured(directory, values)) {
    const cross = toolchain === undefined ? [] : [`-DCMAKE_TOOLCHAIN_FILE=${join(top, "cross-build", toolchain)}`];
    const all = [...settings, ...cross, ...Object.entries(values).map(([name, value]) => `-D${name}=${value}`)];
    run("cmake", ["-S", join(top, "native"), "-B", directory, "-G", "Ninja", ...all], { env });
  }
  const parallel = ["--parallel", String(availableParallelism())];
  run("cmake", ["--build", directory, ...parallel, ...(target === undefined ? [] : ["--target", target])], { env });
  return directory;
}

/** Whether a build directory is configured to the end, with these values. */
function isConfigured(directory: string, values: Readonly<Record<string, string>>): boolean {
  if (!existsSync(join(directory, "build.ninja"))) return false;
  const cache = readFileSync(join(directory, "CMakeCache.txt"), "utf8").split("\n");
  return Object.entries(values).every(([name, value]) => cache.includes(`${name}:STRING=${value}`));
}
