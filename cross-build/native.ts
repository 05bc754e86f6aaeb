/** The native builds: one directory a flavour under build/, configured once, then left to ninja. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

export const FLAVOURS = {
  release: { env: {}, options: ["-DCMAKE_BUILD_TYPE=Release", "-DLIGHTV_ADDON=ON"] },
  asan: { env: {}, options: ["-DLIGHTV_SANITIZE=ON", "-DLIGHTV_TESTS=ON", "-DCMAKE_BUILD_TYPE=Debug"] },
  fuzz: { env: { CC: "clang", CXX: "clang++" }, options: ["-DLIGHTV_FUZZ=ON", "-DCMAKE_BUILD_TYPE=Debug"] },
} as const;
export type Flavour = keyof typeof FLAVOURS;

export function buildDirectory(top: string, flavour: Flavour): string {
  return join(top, "build", flavour);
}

/** Configures if need be and builds. Returns the directory; throws with the compiler's output when it fails. */
export function buildNative(top: string, flavour: Flavour): string {
  const directory = buildDirectory(top, flavour);
  const { env, options } = FLAVOURS[flavour];
  if (!existsSync(join(directory, "build.ninja"))) {
    run("cmake", ["-S", join(top, "native"), "-B", directory, "-G", "Ninja", ...options], env);
  }
  run("cmake", ["--build", directory, "--parallel", String(availableParallelism())], env);
  return directory;
}

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>>): void {
  const result = spawnSync(command, args, { env: { ...process.env, ...env }, encoding: "utf8", maxBuffer: 1 << 28 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")} failed\n${result.stdout}\n${result.stderr}`);
}
