/** share/doc/<package>/copyright: our licence, and those of all that is linked or bundled, as their authors ask for. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writePacked } from "./documents.ts";
import type { DebianLibrary, NpmPackage } from "./ingredients.ts";

/** Of the libraries that are linked in: those whose authors want their notice to go with every copy. */
const NOTICES = ["libsodium-dev", "nlohmann-json3-dev"] as const;

export interface LicenseOptions {
  readonly top: string;
  readonly prefix: string;
  readonly name: string;
  /** Seconds since 1970, for the year of the notice. */
  readonly epoch: number;
  readonly packages: readonly NpmPackage[];
  /** The LICENSE file of Node, when Node is in the package. */
  readonly nodeLicense: string | undefined;
  readonly libraries: readonly DebianLibrary[];
}

export function placeLicenses(options: LicenseOptions): void {
  const { top, prefix, name, packages, libraries, nodeLicense } = options;
  const directory = join(prefix, "share", "doc", name);
  mkdirSync(directory, { recursive: true });
  const parts = packages.map(
    (one) => `==== ${one.name} ${one.version} (${one.license})\n\n${licenseText(join(top, one.path), one.license)}\n`,
  );
  for (const one of libraries.filter((library) => NOTICES.some((notice) => notice === library.package)))
    parts.push(`==== ${one.name} ${one.version}\n\n${readFileSync(join("/usr/share/doc", one.package, "copyright"), "utf8")}\n`);
  if (nodeLicense !== undefined) parts.push(`==== Node.js\n\n${readFileSync(nodeLicense, "utf8")}\n`);
  writePacked(join(directory, "third-party-licenses"), parts.join("\n"));
  writeFileSync(join(directory, "copyright"), copyrightText(options));
}

function copyrightText({ name, epoch, packages, libraries, nodeLicense }: LicenseOptions): string {
  const linked = libraries.map((one) => `    ${one.name} ${one.version}: ${one.license}`);
  const bundled = packages.map((one) => `    ${one.name} ${one.version}: ${one.license}`);
  return `Copyright (c) ${new Date(epoch * 1000).getUTCFullYear()} the authors of LightV

LightV is licensed under the Apache License, Version 2.0, whose text is in
/usr/share/common-licenses/Apache-2.0 on Debian systems.

Parts of this package are the work of others. Full texts are in
/usr/share/doc/${name}/third-party-licenses.gz.
${linked.length === 0 ? "" : `\nLinked into the programs:\n${linked.join("\n")}\n`}${nodeLicense === undefined ? "" : "\nlib/lightv/node is Node.js: MIT, with the parts that its licence lists.\n"}
Bundled into the programs:
${bundled.join("\n")}
`;
}

function licenseText(directory: string, license: string): string {
  const file = existsSync(directory)
    ? readdirSync(directory)
        .sort()
        .find((entry) => /^licen[cs]e/i.test(entry))
    : undefined;
  return file === undefined ? `The package brings no text of its licence, ${license}.` : readFileSync(join(directory, file), "utf8").trim();
}
