/** `npm run lint` (check) and `npm run format` (--fix): tsc, Biome, clang-format and clang-tidy, all without warnings. */
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildDirectory, buildNative } from "./native.ts";

const top = dirname(dirname(fileURLToPath(import.meta.url)));

export interface LintResult {
  readonly name: string;
  readonly ok: boolean;
  readonly output: string;
}

function check(name: string, command: string, args: readonly string[]): LintResult {
  const result: SpawnSyncReturns<string> = spawnSync(command, args, { cwd: top, encoding: "utf8", maxBuffer: 1 << 28 });
  return { name, ok: result.status === 0, output: `${result.stdout}${result.stderr}${result.error?.message ?? ""}` };
}

/** Tracked and new files with these endings. */
export function sources(...patterns: string[]): string[] {
  const { stdout } = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...patterns], {
    cwd: top,
    encoding: "utf8",
  });
  return stdout.split("\n").filter((file) => file !== "" && existsSync(join(top, file)));
}

/** clang-tidy needs the compile commands of a build that has the tests too. */
async function clangTidy(): Promise<LintResult> {
  buildNative(top, "asan");
  const files = sources("native/*.cpp").filter((file) => !file.startsWith("native/addon/"));
  const failures: string[] = [];
  const queue = [...files];
  const worker = async (): Promise<void> => {
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      const output = await tidyOne(file);
      if (output !== "") failures.push(output);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return { name: `clang-tidy over ${files.length} files`, ok: failures.length === 0, output: failures.join("\n") };
}

function tidyOne(file: string): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn("clang-tidy", ["-p", buildDirectory(top, "asan"), "--quiet", file], {
      cwd: top,
      stdio: ["ignore", "pipe", "ignore"],
    });
    let output = "";
    child.stdout.on("data", (data) => {
      output += data;
    });
    child.on("exit", (code) => resolve(code === 0 ? "" : output || `clang-tidy ${file}: exit code ${code}`));
    child.on("error", (error) => resolve(error.message));
  });
}

export async function lint(fix: boolean): Promise<LintResult[]> {
  const bin = join(top, "node_modules", ".bin");
  const cpp = sources(
    "native/*.cpp",
    "native/*.hpp",
    "test/native/*.cpp",
    "test/native/*.hpp",
    "test/fuzz/*.cpp",
    "test/bench/*.cpp",
    "test/bench/*.hpp",
    "test/fault/*.cpp",
    "test/fault/*.hpp",
  );
  return [
    check("tsc", join(bin, "tsc"), []),
    check("biome", join(bin, "biome"), ["check", "--error-on-warnings", ...(fix ? ["--write"] : [])]),
    check(`clang-format over ${cpp.length} files`, "clang-format", [...(fix ? ["-i"] : ["--dry-run", "--Werror"]), ...cpp]),
    await clangTidy(),
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let failed = false;
  for (const result of await lint(process.argv.includes("--fix"))) {
    console.log(`${result.ok ? "ok    " : "FAILED"}  ${result.name}`);
    if (!result.ok) console.log(result.output);
    failed ||= !result.ok;
  }
  process.exitCode = failed ? 1 : 0;
}
