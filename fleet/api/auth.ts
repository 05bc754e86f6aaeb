/** Who asks: a person or program with the API token (Bearer), or a device with its own credentials (Basic), which may only fetch images. */
import type { FastifyRequest } from "fastify";
import { LightvError } from "#agent/lib/errors.ts";
import { findDevice } from "#fleet/store/devices.ts";
import type { Db } from "#fleet/store/schema.ts";
import { secretMatches } from "#fleet/store/secrets.ts";
import type { ApiContext } from "./context.ts";

/** A hash that no password has: an unknown device takes as long as a wrong password. */
const NOBODY = "0".repeat(64);

export async function checkPassword(db: Db, device: string, password: string): Promise<boolean> {
  const row = await findDevice(db, device);
  return secretMatches(password, row?.password_hash ?? NOBODY) && row !== undefined;
}

export function requireToken({ tokenHash }: ApiContext) {
  return async (request: FastifyRequest): Promise<void> => {
    const [scheme, token] = split(request.headers.authorization);
    if (scheme === "bearer" && token !== undefined && secretMatches(token, tokenHash)) return;
    throw denied(
      "the API token is missing or wrong",
      "the controller keeps it in DATA-DIR/api-token; `lightv fleet login` saves it, requests send it as `Authorization: Bearer TOKEN`",
    );
  };
}

export function requireTokenOrDevice(context: ApiContext) {
  const byToken = requireToken(context);
  return async (request: FastifyRequest): Promise<void> => {
    const basic = basicOf(request);
    if (basic === undefined) return byToken(request);
    if (!(await checkPassword(context.store.db, basic.user, basic.password)))
      throw denied(`wrong credentials for the device "${basic.user}"`, "enrol the device again");
  };
}

export function basicOf(request: FastifyRequest): { readonly user: string; readonly password: string } | undefined {
  const [scheme, value] = split(request.headers.authorization);
  if (scheme !== "basic" || value === undefined) return undefined;
  const text = Buffer.from(value, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function split(header: string | undefined): [string | undefined, string | undefined] {
  const match = /^(\w+) +(\S+)$/.exec(header?.trim() ?? "");
  return [match?.[1]?.toLowerCase(), match?.[2]];
}

export function denied(message: string, hint: string): LightvError {
  return new LightvError("LV_DENIED", message, { hint });
}
