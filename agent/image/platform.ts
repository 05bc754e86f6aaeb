/** Platforms: `linux/arm64`, in the names of Go, with the variant that OCI indexes carry. */
import { LightvError } from "#agent/lib/errors.ts";

export interface Platform {
  readonly os: "linux";
  readonly architecture: string;
  /** "v7" of linux/arm/v7. */
  readonly variant?: string;
}

const GOARCH: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le", loong64: "loong64", mipsel: "mipsle" };
const SYNONYMS: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64", i386: "386", armhf: "arm", armel: "arm" };

/** This machine's, as GOARCH. */
export function hostArchitecture(): string {
  return GOARCH[process.arch] ?? process.arch;
}

/** `OS/ARCH[/VARIANT]` or `ARCH`. Throws LV_USAGE. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split("/");
  const [os, arch = "", variant] = parts.length === 1 ? ["linux", ...parts] : parts;
  if (os !== "linux" || !/^[a-z0-9_]{1,32}$/.test(arch) || parts.length > 3)
    throw new LightvError("LV_USAGE", `"${text}" is not a platform that images are for`, {
      hint: "such as linux/amd64, linux/arm64 or linux/arm/v7",
    });
  const architecture = SYNONYMS[arch] ?? arch;
  return { os: "linux", architecture: architecture.replaceAll("_", ""), ...(variant === undefined || variant === "" ? {} : { variant }) };
}

export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join("/");
}
