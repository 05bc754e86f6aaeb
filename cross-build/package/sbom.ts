/** A bill of materials beside each package: CycloneDX 1.6, JSON, the same bytes for the same package. */
import { writeFileSync } from "node:fs";
import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import type { DebianLibrary, NpmPackage } from "./ingredients.ts";
import type { NodeBinary } from "./node.ts";

export interface Ingredients {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly commit: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  readonly npm: readonly NpmPackage[];
  readonly debian: readonly DebianLibrary[];
  readonly node: Pick<NodeBinary, "version" | "sha256"> | undefined;
}

/** The text of the file. Pure. */
export function billOfMaterials(what: Ingredients): string {
  const { Application, Library, Platform } = Enums.ComponentType;
  const product = component(Application, what.name, what.version, "Apache-2.0", `pkg:generic/${what.name}@${what.version}`);
  product.properties.add(new Models.Property("lightv:commit", what.commit));
  product.properties.add(new Models.Property("lightv:architecture", what.architecture));
  // npm may place a version at several paths. It is one part; two of one reference would get references at random.
  const npm = new Map(what.npm.map((one) => [`pkg:npm/${npmPath(one.name)}@${one.version}`, one]));
  const parts = [...npm].map(([purl, one]) => {
    const part = component(Library, one.name, one.version, one.license, purl);
    part.hashes.set(Enums.HashAlgorithm["SHA-512"], Buffer.from(one.integrity.replace(/^sha512-/, ""), "base64").toString("hex"));
    return part;
  });
  for (const one of what.debian) {
    const purl = `pkg:deb/debian/${encodeURIComponent(one.package)}@${encodeURIComponent(one.version)}?distro=bookworm`;
    parts.push(component(Library, one.name, one.version, one.license, purl));
  }
  if (what.node !== undefined) {
    const node = component(Platform, "node", what.node.version, "MIT", `pkg:generic/node@${what.node.version}`);
    node.hashes.set(Enums.HashAlgorithm["SHA-256"], what.node.sha256);
    parts.push(node);
  }
  for (const part of parts) product.dependencies.add(part.bomRef);
  const bom = new Models.Bom({ components: new Models.ComponentRepository(parts) });
  bom.metadata = new Models.Metadata({ component: product, timestamp: new Date(what.epoch * 1000) });
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

export function writeBill(file: string, what: Ingredients): void {
  writeFileSync(file, billOfMaterials(what));
}

function component(type: Enums.ComponentType, name: string, version: string, license: string, purl: string): Models.Component {
  const part = new Models.Component(type, name, { version, purl, bomRef: purl });
  // One expression covers the plain identifiers too; what is no expression is somebody's own words.
  const known = /^[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*$|^\(.*\)$/.test(license) && license !== "NOASSERTION";
  part.licenses.add(known ? new Models.LicenseExpression(license) : new Models.NamedLicense(license));
  return part;
}

/** The @ of a scope is escaped in a package URL. */
function npmPath(name: string): string {
  return name.replace(/^@/, "%40");
}
