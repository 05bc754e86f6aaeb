/** Who is measured, how each is prepared, and how to install what is missing. All run the same static program from the same tree. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Contestant {
  readonly name: string;
  /** Absent: not on this machine, `missing` says how to get it. */
  readonly command?: readonly string[];
  readonly missing?: string;
}

export interface Workplace {
  readonly directory: string;
  /** For run-time state: on a device /run is a tmpfs, so each contestant gets one here too. */
  readonly run: string;
  /** A root file system with /hello in it. */
  readonly rootfs: string;
  readonly hello: string;
  readonly lightv: string;
}

export function which(program: string): string | undefined {
  const { status, stdout } = spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

function must(command: string, args: readonly string[], options: { cwd?: string } = {}): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", ...options });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr || error?.message}`);
  return stdout;
}

/** Builds hello and a root file system around it. */
export function prepare(top: string, directory: string, run: string): Workplace {
  const rootfs = join(directory, "rootfs");
  for (const name of ["proc", "dev", "sys", "tmp", "etc"]) mkdirSync(join(rootfs, name), { recursive: true });
  const hello = join(rootfs, "hello");
  must("g++", ["-O2", "-static", "-s", "-o", hello, join(top, "test/bench/hello.cpp")]);
  must("g++", ["-O2", "-static", "-std=c++20", "-o", join(directory, "timer"), join(top, "test/bench/timer.cpp")]);
  copyFileSync(hello, join(directory, "hello"));
  chmodSync(join(directory, "hello"), 0o755);
  return { directory, run, rootfs, hello: join(directory, "hello"), lightv: join(top, "dist/bin/lightv") };
}

export function contestants(place: Workplace): Contestant[] {
  return [
    bare(place),
    lightv(place),
    oci(place, "crun"),
    oci(place, "runc"),
    bwrap(place),
    engine(place, "podman"),
    engine(place, "docker"),
  ];
}

function bare(place: Workplace): Contestant {
  return { name: "bare fork+exec", command: [place.hello] };
}

function lightv(place: Workplace): Contestant {
  const roots = ["--root", join(place.directory, "lv"), "--runroot", join(place.run, "lightv")];
  const image = join(place.directory, "hello.lv");
  must(place.lightv, [...roots, "import", "-q", "--change", 'CMD ["/hello"]', "-o", image, place.rootfs, "hello"]);
  return { name: "lightv run (cold)", command: [place.lightv, ...roots, "run", "--rm", "--network", "none", image] };
}

/** An OCI runtime on a bundle of its own, with its default `spec` and no terminal. */
function oci(place: Workplace, name: string): Contestant {
  const program = which(name);
  if (program === undefined) return { name: `${name} run`, missing: `apt-get install ${name}` };
  const bundle = join(place.directory, name);
  mkdirSync(bundle, { recursive: true });
  must(program, ["spec"], { cwd: bundle });
  const file = join(bundle, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8")) as {
    process: { terminal: boolean; args: string[] };
    root: { path: string; readonly: boolean };
  };
  config.process.terminal = false;
  config.process.args = ["/hello"];
  config.root = { path: place.rootfs, readonly: true };
  writeFileSync(file, JSON.stringify(config));
  return {
    name: `${name} run`,
    command: [program, "--root", join(place.run, name), "run", "-b", bundle, `bench-${name}`],
  };
}

function bwrap(place: Workplace): Contestant {
  const program = which("bwrap");
  if (program === undefined) return { name: "bwrap", missing: "apt-get install bubblewrap" };
  const roots = ["--ro-bind", place.rootfs, "/", "--proc", "/proc", "--dev", "/dev"];
  return { name: "bwrap (no image, no cgroup)", command: [program, "--unshare-all", ...roots, "/hello"] };
}

/** Docker or Podman with an image imported from the same tree; Docker needs a running engine. */
function engine(place: Workplace, name: "docker" | "podman"): Contestant {
  const label = `${name} run --network none`;
  const program = which(name);
  const install = name === "docker" ? "apt-get install docker.io" : "apt-get install podman";
  if (program === undefined) return { name: label, missing: install };
  const info = spawnSync(program, ["info"], { encoding: "utf8", timeout: 20_000 });
  if (info.status !== 0) return { name: label, missing: `${name} is installed, but its engine does not answer: start it (${install})` };
  const archive = join(place.directory, `${name}.tar`);
  must("tar", ["-C", place.rootfs, "-cf", archive, "."]);
  must(program, ["import", "--change", 'CMD ["/hello"]', archive, "lightv-bench:latest"]);
  return { name: label, command: [program, "run", "--rm", "--network", "none", "lightv-bench:latest"] };
}
