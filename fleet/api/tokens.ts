/** /v1/tokens: enrolment tokens. The secret is shown once, when it is made. */
import { Type } from "typebox";
import { LightvError } from "#agent/lib/errors.ts";
import { audit } from "#fleet/store/audit.ts";
import { makeSecret } from "#fleet/store/secrets.ts";
import { addToken, listTokens, revokeToken, type TokenRow } from "#fleet/store/tokens.ts";
import type { Api, ApiContext } from "./context.ts";
import { isoOrNull } from "./devices.ts";

const DAY_MS = 86_400_000;
const TokenBody = Type.Object(
  {
    note: Type.Optional(Type.String({ maxLength: 256 })),
    uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    expiresInMs: Type.Optional(Type.Integer({ minimum: 1000, maximum: 366 * DAY_MS })),
  },
  { additionalProperties: false },
);

export function tokenRoutes(api: Api, { store, now, newId }: ApiContext): void {
  api.post("/v1/tokens", { schema: { summary: "Make an enrolment token", tags: ["tokens"], body: TokenBody } }, async (request, reply) => {
    const { note = "", uses = 1, expiresInMs = DAY_MS } = request.body;
    const at = now();
    const secret = makeSecret("lvt_");
    const row = { id: newId().slice(0, 12), note, created_at: at, expires_at: at + expiresInMs, uses_left: uses };
    await store.transaction(async (db) => {
      await addToken(db, { ...row, secret });
      await audit(db, { at, actor: "api", action: "token.create", detail: `${row.id} ${note}` });
    });
    return reply.code(201).send({ ...view({ ...row, hash: "", revoked_at: null }), token: secret });
  });

  api.get("/v1/tokens", { schema: { summary: "Enrolment tokens", tags: ["tokens"] } }, async () => ({
    tokens: (await listTokens(store.db)).map(view),
  }));

  api.delete(
    "/v1/tokens/:token",
    {
      schema: { summary: "Revoke a token; devices that it enrolled stay", tags: ["tokens"], params: Type.Object({ token: Type.String() }) },
    },
    async (request, reply) => {
      if (!(await revokeToken(store.db, request.params.token, now())))
        throw new LightvError("LV_NOT_FOUND", `no token "${request.params.token}"`, { hint: "`lightv fleet token ls` lists them" });
      await audit(store.db, { at: now(), actor: "api", action: "token.revoke", detail: request.params.token });
      return reply.code(204).send();
    },
  );
}

function view(row: TokenRow) {
  return {
    id: row.id,
    note: row.note,
    createdAt: isoOrNull(row.created_at),
    expiresAt: isoOrNull(row.expires_at),
    usesLeft: row.uses_left,
    revokedAt: isoOrNull(row.revoked_at),
  };
}
