/**
 * Debian's libraries for another architecture, unpacked under build/sysroot/. They come through an apt state of their own,
 * so the machine that builds gets no foreign architecture.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../run.ts";

/** What native/CMakeLists.txt looks for and the cross compiler does not bring. */
const PACKAGES = ["libsodium-dev", "nlohmann-json3-dev", "doctest-dev"];
const VERSIONS = "versions.json";

/** Package name -> version that is in the sysroot. */
export type Versions = Readonly<Record<string, string>>;

export function sysrootVersions(top: string, architecture: string): Versions {
  return JSON.parse(readFileSync(join(top, "build", "sysroot", architecture, VERSIONS), "utf8")) as Versions;
}

/** Makes the sysroot unless it is there. Throws when a package can't be had. */
export function makeSysroot(top: string, architecture: string, say: (text: string) => void): void {
  const target = join(top, "build", "sysroot", architecture);
  if (existsSync(join(target, VERSIONS))) return;
  say(`${architecture}: Debian's ${PACKAGES.join(", ")} for the sysroot`);
  const work = join(top, "build", "sysroot", `${architecture}.new`);
  rmSync(work, { recursive: true, force: true });
  const root = join(work, "root");
  for (const directory of ["state/lists/partial", "cache/archives/partial", "download", "root"])
    mkdirSync(join(work, directory), { recursive: true });
  writeFileSync(join(work, "status"), "");
  writeFileSync(join(work, "sources.list"), sourcesList(debianTargets(), architecture));
  writeFileSync(join(work, "apt.conf"), aptConfiguration(work, architecture));
  const env = { APT_CONFIG: join(work, "apt.conf") };
  run("apt-get", ["update", "-q"], { env });
  run("apt-get", ["download", "-q", ...PACKAGES], { env, cwd: join(work, "download") });
  const versions: Record<string, string> = {};
  for (const file of readdirSync(join(work, "download")).sort()) {
    const archive = join(work, "download", file);
    const [name = "", version = ""] = run("dpkg-deb", ["--show", "--showformat=$" + "{Package} $" + "{Version}", archive]).split(" ");
    versions[name] = version;
    run("dpkg-deb", ["--extract", archive, root]);
  }
  writeFileSync(join(root, VERSIONS), `${JSON.stringify(versions, undefined, 2)}\n`);
  rmSync(target, { recursive: true, force: true });
  renameSync(root, target);
  rmSync(work, { recursive: true, force: true });
}

/** Lines `URI suite component keyring-or-empty` of the Debian archives that this machine uses already. */
function debianTargets(): string[] {
  const format = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)";
  const lines = run("apt-get", ["indextargets", "--format", format, "Created-By: Packages", "Origin: Debian"]);
  const found = [...new Set(lines.split("\n").filter((line) => line !== ""))];
  if (found.length === 0) throw new Error('apt knows no Debian archive on this machine: run "apt-get update" first');
  return found;
}

/** Pure: sources.list for `architecture` out of what debianTargets() gives. An unset field shows as its own name. */
export function sourcesList(targets: readonly string[], architecture: string): string {
  const lines = targets.map((target) => {
    const [uri, suite, component, keyring = ""] = target.split(" ");
    const signed = keyring.startsWith("/") ? ` signed-by=${keyring}` : "";
    return `deb [arch=${architecture}${signed}] ${uri} ${suite} ${component}\n`;
  });
  return lines.join("");
}

/** The machine's own settings (a proxy, say) stay; only the state, the sources and the architecture are ours. */
function aptConfiguration(work: string, architecture: string): string {
  return `Dir::State "${work}/state";
Dir::State::status "${work}/status";
Dir::Cache "${work}/cache";
Dir::Etc::SourceList "${work}/sources.list";
Dir::Etc::SourceParts "/dev/null";
APT::Architecture "${architecture}";
#clear APT::Architectures;
APT::Architectures { "${architecture}"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
`;
}
