/** An OCI image's configuration: what is kept of it fits into an image's manifest, and is read there as the same. */
import { isDeepStrictEqual } from "node:util";
import { encodeManifest, type Manifest, parseManifest } from "#agent/image/manifest.ts";
import { keepConfig, parseConfigFile } from "#agent/image/sources/oci.ts";
import { isLightvError } from "#agent/lib/errors.ts";
import { type FuzzTarget, must } from "../lib/target.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;
const WANTED = { architecture: "amd64", os: "linux" } as const;

function run(bytes: Buffer): void {
  try {
    const file = parseConfigFile(bytes, "it", WANTED);
    const config = keepConfig(file.config, "it");
    const manifest: Manifest = {
      schemaVersion: 1,
      name: "fuzz:1",
      created: "2026-11-24T10:00:00Z",
      architecture: "amd64",
      os: "linux",
      config,
      erofs: { blockSize: 4096, size: 4096 },
      chunks: { count: 1, digest: DIGEST, size: 48 },
    };
    const read = parseManifest(encodeManifest(manifest));
    must(isDeepStrictEqual(JSON.parse(JSON.stringify(read.config)), JSON.parse(JSON.stringify(config))), "the manifest keeps it");
  } catch (error) {
    if (!isLightvError(error, "LV_USAGE") && !isLightvError(error, "LV_IMAGE_PLATFORM")) throw error;
  }
}

export const target: FuzzTarget = {
  run,
  words: [
    '"config":{',
    '"Env":["',
    '"Healthcheck":{"Test":["CMD"]',
    '"ExposedPorts":{"80/tcp":{}}',
    '"Volumes":{',
    '"Labels":{',
    '"StopSignal":"',
    '"User":"',
  ],
  covers: ["/agent/", "/typebox/"],
  maxBytes: 16_384,
};
