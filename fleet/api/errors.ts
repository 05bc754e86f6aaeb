/** Errors as the API gives them: {"error":{"code","message","hint"}}, never a stack. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { isLightvError, LightvError } from "#agent/lib/errors.ts";
import type { Code } from "#agent/wire/codes.ts";

export const ErrorBody = Type.Object({
  error: Type.Object({ code: Type.String(), message: Type.String(), hint: Type.Optional(Type.String()) }),
});

const STATUS: Readonly<Partial<Record<Code, number>>> = {
  LV_USAGE: 400,
  LV_NOT_FOUND: 404,
  LV_CONFLICT: 409,
  LV_DENIED: 401,
  LV_IMAGE_BROKEN: 422,
  LV_IMAGE_DIGEST: 422,
  LV_IMAGE_PLATFORM: 422,
  LV_DISK_FULL: 507,
  LV_TIMEOUT: 504,
  LV_MESSAGE: 400,
  LV_STALE_REVISION: 409,
  LV_UNAVAILABLE: 503,
};

export function statusOf(code: Code): number {
  return STATUS[code] ?? 500;
}

/** What fastify throws. */
interface Thrown {
  readonly statusCode?: number;
  readonly message?: string;
  readonly code?: string;
  /** Of a request that does not fit its schema: which part of it. */
  readonly validationContext?: string;
}

/** What goes to the client for any thrown value. What is not ours is a defect: its text stays here. */
export function toClient(error: unknown): LightvError {
  if (isLightvError(error)) return error;
  const { statusCode, message, code, validationContext } = error as Thrown;
  if (validationContext === "params")
    return new LightvError("LV_NOT_FOUND", "no device, app, command or image can have the name that was given", {
      hint: "`lightv fleet devices`, `apps` and `images` list what there is",
    });
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return new LightvError("LV_USAGE", "the request's body is too large");
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new LightvError("LV_USAGE", message ?? "the request is wrong", { hint: "GET /openapi.json describes every request" });
  return new LightvError("LV_INTERNAL", "the controller failed on this request", { hint: "its log has the details" });
}

export function errorHandler(onDefect: (error: unknown, request: string) => void) {
  return async (error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { code, message, hint } = toClient(error);
    if (code === "LV_INTERNAL") onDefect(error, `${request.method} ${request.url.split("?")[0]}`);
    if (code === "LV_DENIED") reply.header("www-authenticate", 'Bearer realm="lightv-fleet"');
    await reply.code(statusOf(code)).send({ error: { code, message, ...(hint === undefined ? {} : { hint }) } });
  };
}
