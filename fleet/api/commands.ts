/** /v1/devices/{id}/commands: do something once, and hear how it ended. */
import { Type } from "typebox";
import { Value } from "typebox/value";
import { LightvError } from "#agent/lib/errors.ts";
import { Command } from "#agent/wire/protocol/cmd.ts";
import { Id } from "#agent/wire/protocol/common.ts";
import { audit } from "#fleet/store/audit.ts";
import { findCommand, listCommands, type StoredCommand } from "#fleet/store/commands.ts";
import type { Api, ApiContext } from "./context.ts";
import { DeviceParams, isoOrNull } from "./devices.ts";

const MAX_WAIT_MS = 60_000;
const CommandParams = Type.Object({ ...DeviceParams.properties, command: Id });
const Wait = Type.Object({ waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_WAIT_MS })) });
const CommandBody = Type.Object(
  {
    /** Of the caller's choice: the same id again gives the same command, so that a lost answer does no harm. */
    id: Type.Optional(Id),
    type: Type.Union(["restart", "exec", "logs", "reboot", "inventory"].map((type) => Type.Literal(type))),
    app: Type.Optional(Type.String()),
    command: Type.Optional(Type.Array(Type.String())),
    timeoutMs: Type.Optional(Type.Integer()),
    tail: Type.Optional(Type.Integer()),
    followMs: Type.Optional(Type.Integer()),
    delayMs: Type.Optional(Type.Integer()),
    expiresInMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 31_536_000_000 })),
  },
  { additionalProperties: false },
);

export function commandRoutes(api: Api, context: ApiContext): void {
  const { store, dispatcher, now, newId } = context;

  api.post(
    "/v1/devices/:id/commands",
    {
      schema: {
        summary: "Give a command; with waitMs the answer is waited for",
        tags: ["commands"],
        params: DeviceParams,
        querystring: Wait,
        body: CommandBody,
      },
    },
    async (request, reply) => {
      const { expiresInMs, id = newId(), ...rest } = request.body;
      const at = now();
      const expiry = expiresInMs === undefined ? {} : { expiresAt: new Date(at + expiresInMs).toISOString() };
      const command: object = { ...rest, id, issuedAt: new Date(at).toISOString(), ...expiry };
      if (!Value.Check(Command, command)) throw wrongCommand(rest.type, command);
      const stored = await dispatcher.command(request.params.id, command);
      await audit(store.db, { at, actor: "api", action: `command.${rest.type}`, detail: `${request.params.id} ${rest.app ?? ""} ${id}` });
      const waited = await wait(context, stored, request.query.waitMs ?? 0, request.raw);
      return reply.code(waited.state === "pending" ? 202 : 200).send(view(waited));
    },
  );

  api.get(
    "/v1/devices/:id/commands/:command",
    { schema: { summary: "A command and its answer", tags: ["commands"], params: CommandParams, querystring: Wait } },
    async (request) => {
      const { id, command } = request.params;
      const stored = await findCommand(store.db, id, command);
      if (stored === undefined) throw new LightvError("LV_NOT_FOUND", `no command ${command} of ${id}`);
      return view(await wait(context, stored, request.query.waitMs ?? 0, request.raw));
    },
  );

  api.get(
    "/v1/devices/:id/commands",
    {
      schema: {
        summary: "Commands, newest first",
        tags: ["commands"],
        params: DeviceParams,
        querystring: Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })) }),
      },
    },
    async (request) => ({ commands: (await listCommands(store.db, request.params.id, request.query.limit ?? 100)).map(view) }),
  );
}

function wrongCommand(type: unknown, command: object): LightvError {
  const missing = ["app", "command"].filter((key) => !(key in command));
  const [first] = Value.Errors(Command, command);
  const detail =
    missing.length > 0 && type !== "reboot" ? `it may lack ${missing.join(", ")}` : `${first?.instancePath || "/"} ${first?.message}`;
  return new LightvError("LV_USAGE", `the command "${type}" does not fit its schema: ${detail}`, {
    hint: "docs/protocol.md lists the commands",
  });
}

/** Ends early when the caller goes away. */
async function wait(
  { dispatcher }: ApiContext,
  stored: StoredCommand,
  ms: number,
  raw: { once(event: "close", listener: () => void): unknown; off(event: "close", listener: () => void): unknown },
): Promise<StoredCommand> {
  if (ms === 0 || stored.state !== "pending") return stored;
  const gone = new AbortController();
  const abort = (): void => gone.abort();
  raw.once("close", abort);
  try {
    return (await dispatcher.waitFor(stored.device, stored.command.id, ms, gone.signal)) ?? stored;
  } finally {
    raw.off("close", abort);
  }
}

function view({ device, state, command, issuedAt, expiresAt, sent, answeredAt, result }: StoredCommand) {
  return {
    id: command.id,
    device,
    state,
    command,
    issuedAt: isoOrNull(issuedAt),
    expiresAt: isoOrNull(expiresAt),
    sent,
    answeredAt: isoOrNull(answeredAt),
    result,
  };
}
