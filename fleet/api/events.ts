/** /v1/events and /v1/audit: what has happened. */
import { Type } from "typebox";
import { listAudit } from "#fleet/store/audit.ts";
import { listEvents } from "#fleet/store/events.ts";
import type { Api, ApiContext } from "./context.ts";
import { isoOrNull } from "./devices.ts";

const Limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 }));

export function eventRoutes(api: Api, { store }: ApiContext): void {
  api.get(
    "/v1/events",
    {
      schema: {
        summary: "Events in the order of their arrival: the newest, or those behind `after`",
        tags: ["events"],
        querystring: Type.Object({
          device: Type.Optional(Type.String()),
          type: Type.Optional(Type.String()),
          app: Type.Optional(Type.String()),
          after: Type.Optional(Type.Integer({ minimum: 0 })),
          limit: Limit,
        }),
      },
    },
    async ({ query }) => {
      const { device, type, app, after, limit } = query;
      const events = await listEvents(store.db, {
        device,
        type,
        app,
        after: after ?? -1,
        limit: limit ?? 100,
        latest: after === undefined,
      });
      return { events, next: events.at(-1)?.id ?? after ?? 0 };
    },
  );

  api.get(
    "/v1/audit",
    { schema: { summary: "What was done or refused, newest first", tags: ["events"], querystring: Type.Object({ limit: Limit }) } },
    async ({ query }) => ({
      entries: (await listAudit(store.db, query.limit ?? 100)).map((entry) => ({ ...entry, at: isoOrNull(entry.at) })),
    }),
  );
}
