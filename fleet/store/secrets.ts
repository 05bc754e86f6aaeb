/** Secrets of ours are 256 random bits, so one SHA-256 is enough to store them: there is no dictionary to try. Comparison takes constant time. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** A new secret: `prefix` and 43 base64url characters. */
export function makeSecret(prefix = ""): string {
  return prefix + randomBytes(32).toString("base64url");
}

export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

export function secretMatches(secret: string, hash: string): boolean {
  const given = Buffer.from(hashSecret(secret), "hex");
  const wanted = Buffer.from(hash, "hex");
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
