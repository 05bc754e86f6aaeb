/**
 * Makes a fresh Debian machine ready: Debian packages (with --packaging also those of `npm run package`), npm packages, and with
 * --build the tree in dist/. Says nothing and does nothing when that is so already. Runs under any Node from 18 on, before there are node_modules.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** What the build and the tests need, and why. */
const DEBIAN_PACKAGES = {
  "g++": "compiler",
  cmake: "native build",
  "ninja-build": "native build",
  "pkg-config": "native build",
  "nlohmann-json3-dev": "JSON in C++",
  "libsodium-dev": "SHA-256 in C++",
  "doctest-dev": "native unit tests",
  clang: "fuzzing",
  "clang-tidy": "lint",
  "clang-format": "lint",
  "libclang-rt-14-dev": "fuzzing and sanitizers",
  ccache: "quick rebuilds",
  "erofs-utils": "fsck.erofs judges our images",
  "busybox-static": "the program in the demo's and the tests' images",
  openssl: "certificates in tests",
  "xz-utils": "importing .tar.xz",
  "libcap2-bin": "setcap, for images whose files have capabilities",
  attr: "getfattr, for the extended attributes of a directory that is imported",
  git: "the list of source files",
  uidmap: "newuidmap, for sandboxes of an ordinary user",
  zstd: "packages",
  systemd: "systemd-analyze judges the units; nothing of it has to run",
  "qemu-utils": "qemu-io judges the disk whose power can be cut",
};

/** What more there is to `npm run package`: asked for by --packaging, so that nobody else has to install it. */
const PACKAGING_PACKAGES = {
  "g++-aarch64-linux-gnu": "cross compiler",
  "qemu-user-static": "running what was cross compiled",
  lintian: "checks the packages",
};

/** What more there is to `npm run test:system`: asked for by --system. */
const SYSTEM_PACKAGES = {
  mmdebstrap: "root file systems of virtual devices",
  e2fsprogs: "their disks",
  "qemu-system-x86": "virtual devices",
  "qemu-system-arm": "virtual devices",
  "qemu-user-static": "installing arm64 packages in a root file system",
  "util-linux": "setpriv, so that no virtual device outlives its test",
};

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const quiet = process.argv.includes("--quiet");
const build = process.argv.includes("--build");
const packaging = process.argv.includes("--packaging");
const system = process.argv.includes("--system");

/** @param {string} text */
function say(text) {
  if (!quiet || text.startsWith("setting up")) console.error(text);
}

/**
 * Runs a command, its output shown only when it fails.
 * @param {string} what @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 */
function run(what, command, args, env = {}) {
  say(`setting up: ${what}`);
  const result = spawnSync(command, args, { cwd: top, env: { ...process.env, ...env }, encoding: "utf8", maxBuffer: 1 << 28 });
  if (result.status === 0) return;
  console.error(result.stdout ?? "", result.stderr ?? "");
  console.error(`setup failed: ${what}: ${command} ${args.join(" ")}: ${result.error?.message ?? `exit code ${result.status}`}`);
  process.exit(1);
}

/** @returns {string[]} */
function missingPackages() {
  const names = Object.keys({ ...DEBIAN_PACKAGES, ...(packaging ? PACKAGING_PACKAGES : {}), ...(system ? SYSTEM_PACKAGES : {}) });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own template
  const { stdout } = spawnSync("dpkg-query", ["-W", "-f", "${Package} ${Status}\\n", ...names], { encoding: "utf8" });
  const installed = new Set(
    (stdout ?? "")
      .split("\n")
      .filter((line) => line.endsWith(" installed"))
      .map((line) => line.split(" ")[0]),
  );
  return names.filter((name) => !installed.has(name));
}

function installDebianPackages() {
  const missing = missingPackages();
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) {
    console.error(`setup needs these Debian packages: ${missing.join(" ")}\ninstall them as root: apt-get install ${missing.join(" ")}`);
    process.exit(1);
  }
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  run("package lists", "apt-get", ["update", "-q"], env);
  run(`Debian packages ${missing.join(" ")}`, "apt-get", ["install", "-q", "-y", "--no-install-recommends", ...missing], env);
}

function installNpmPackages() {
  const lock = readFileSync(join(top, "package-lock.json"));
  const digest = createHash("sha256").update(lock).digest("hex");
  const stamp = join(top, "node_modules", ".lightv-lock");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  run("npm packages", "npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
}

installDebianPackages();
installNpmPackages();
if (build) {
  const result = spawnSync(process.execPath, [join(top, "cross-build", "with-node.mjs"), join(top, "cross-build", "build.ts"), "--quiet"], {
    cwd: top,
    stdio: "inherit",
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}
say("ready");
