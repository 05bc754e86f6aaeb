/** What third parties' work is really in a package: from esbuild's account, package-lock.json and Debian's database. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";
import { run } from "../run.ts";
import { sysrootVersions } from "./sysroot.ts";
import type { Target } from "./targets.ts";

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, or what the package says. */
  readonly license: string;
  /** sha512-<base64>, as npm checked it. */
  readonly integrity: string;
  /** From the top of the project. */
  readonly path: string;
}

export interface DebianLibrary {
  readonly name: string;
  /** Binary package of Debian that it was linked from. */
  readonly package: string;
  readonly version: string;
  readonly license: string;
}

/** Packages with at least a byte in an output, sorted. Throws when package-lock.json does not know one. */
export function npmPackages(top: string, metafile: Metafile): NpmPackage[] {
  const lock = JSON.parse(readFileSync(join(top, "package-lock.json"), "utf8")) as {
    packages: Record<string, { version: string; integrity: string; license?: string } | undefined>;
  };
  return packagePaths(metafile).map((path) => {
    const found = lock.packages[path];
    if (found === undefined) throw new Error(`${path} is in a bundle, but not in package-lock.json`);
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    return { name, version: found.version, license: found.license ?? "NOASSERTION", integrity: found.integrity, path };
  });
}

/** Pure: `node_modules/…` of all inputs that reached an output. */
export function packagePaths(metafile: Metafile): string[] {
  const inputs = Object.values(metafile.outputs).flatMap(({ inputs: parts }) =>
    Object.entries(parts).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])),
  );
  const paths = inputs.flatMap((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []);
  return [...new Set(paths)].sort();
}

/** What is linked into our binaries. */
export function debianLibraries(top: string, { architecture, cross, libc, libstdcxx }: Target): DebianLibrary[] {
  const sysroot = cross ? sysrootVersions(top, architecture) : {};
  const library = (name: string, from: string, license: string): DebianLibrary => {
    const version = sysroot[from] ?? run("dpkg-query", ["--show", "--showformat=$" + "{Version}", from]);
    return { name, package: from, version, license };
  };
  return [
    library("libsodium", "libsodium-dev", "ISC"),
    library("nlohmann-json", "nlohmann-json3-dev", "MIT"),
    library("glibc", libc, "LGPL-2.1-or-later"),
    library("libstdc++", libstdcxx, "GPL-3.0-or-later WITH GCC-exception-3.1"),
  ];
}
