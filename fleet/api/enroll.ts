/** /v1/enroll: a device shows a token and gets credentials of its own. */
import type { FastifyRequest } from "fastify";
import { LightvError } from "#agent/lib/errors.ts";
import { EnrollRequest, EnrollResponse, type EnrollResponse as Response } from "#agent/wire/protocol/enroll.ts";
import { audit } from "#fleet/store/audit.ts";
import { type DeviceRow, findDevice, putDevice } from "#fleet/store/devices.ts";
import type { Db } from "#fleet/store/schema.ts";
import { hashSecret, makeSecret, secretMatches } from "#fleet/store/secrets.ts";
import { findToken, type TokenRow, useToken } from "#fleet/store/tokens.ts";
import { basicOf, denied } from "./auth.ts";
import type { Api, ApiContext } from "./context.ts";

export function enrollRoutes(api: Api, context: ApiContext): void {
  api.post(
    "/v1/enroll",
    {
      schema: {
        summary: "Enrol a device with a token",
        tags: ["devices"],
        body: EnrollRequest,
        response: { 201: EnrollResponse },
        security: [],
      },
    },
    async (request, reply) => {
      if (!context.enrolments.admit())
        throw new LightvError("LV_UNAVAILABLE", "too many enrolments at once", { hint: "try again in a little while" });
      const answer = await enroll(context, request.body, basicOf(request as FastifyRequest)?.password);
      return reply.code(201).send(answer);
    },
  );
}

async function enroll(context: ApiContext, request: EnrollRequest, oldPassword: string | undefined): Promise<Response> {
  const { store, now } = context;
  const at = now();
  const id = request.device ?? context.newDeviceId();
  const password = makeSecret();
  await store.transaction(async (db) => {
    const token = await findToken(db, request.token);
    if (token === undefined) throw refused();
    const before = await findDevice(db, id);
    const again = before !== undefined && isSameTry(before, token);
    if (before !== undefined && !again && !(oldPassword !== undefined && secretMatches(oldPassword, before.password_hash)))
      throw new LightvError("LV_CONFLICT", `the device id "${id}" is taken`, {
        hint: "choose another id; or remove that device first (`lightv fleet device rm`); or enrol with its old credentials",
      });
    if (again ? !isValid(token, at) : !(await useToken(db, token.id, at))) throw refused();
    await put(db, { id, request, password, token: token.id, at });
  });
  const { mqtt, images } = context.publicUrls();
  return { device: id, password, mqttUrl: mqtt, imagesUrl: images };
}

/** The answer to a first try may have been lost: until the device has connected, the same token gives it credentials again, at no use. */
function isSameTry(device: DeviceRow, token: TokenRow): boolean {
  return device.last_seen_at === null && device.enrolled_by === token.id;
}

function isValid(token: TokenRow, at: number): boolean {
  return token.revoked_at === null && token.expires_at > at;
}

interface Enrolment {
  readonly id: string;
  readonly request: EnrollRequest;
  readonly password: string;
  readonly token: string;
  readonly at: number;
}

async function put(db: Db, { id, request, password, token, at }: Enrolment): Promise<void> {
  await putDevice(db, {
    id,
    password_hash: hashSecret(password),
    enrolled_by: token,
    enrolled_at: at,
    architecture: request.architecture,
    agent_version: request.agentVersion,
  });
  await audit(db, { at, actor: `token:${token}`, action: "device.enroll", detail: id });
}

function refused(): LightvError {
  return denied("the enrolment token is wrong, used up, revoked or too old", "make a new one: `lightv fleet token create`");
}
