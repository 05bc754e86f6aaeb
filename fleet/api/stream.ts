/** /v1/stream: server-sent events. Only stored events carry an id, so Last-Event-ID takes up exactly where the reader was. */

import type { ServerResponse } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { FEED_TYPES, type FeedItem } from "#fleet/ingest/feed.ts";
import { listEvents } from "#fleet/store/events.ts";
import type { Api, ApiContext } from "./context.ts";

const PAGE = 500;
const HEARTBEAT_MS = 15_000;
/** A reader that is so far behind is dropped: it comes again with its Last-Event-ID. */
const MAX_BEHIND_BYTES = 4 * 1024 * 1024;

const StreamQuery = Type.Object({
  device: Type.Optional(Type.String()),
  /** Kinds, separated by commas; all when absent. */
  kind: Type.Optional(Type.String()),
  /** Of events: a type, or a prefix that ends with a dot. */
  type: Type.Optional(Type.String()),
  app: Type.Optional(Type.String()),
  /** Of logs and results: the command that asked for them. */
  command: Type.Optional(Type.String()),
  /** Begin behind this event; Last-Event-ID goes before it. */
  after: Type.Optional(Type.Integer({ minimum: 0 })),
});
type Query = { device?: string; kind?: string; type?: string; app?: string; command?: string; after?: number };

/** Gives the way to end all streams, for the server's own end. */
export function streamRoutes(api: Api, context: ApiContext): void {
  const open = new Set<ServerResponse>();
  api.addHook("preClose", async () => {
    for (const response of open) response.end();
  });
  api.get(
    "/v1/stream",
    { schema: { summary: "What happens, as it happens (text/event-stream)", tags: ["events"], querystring: StreamQuery } },
    async (request, reply) => {
      const response = begin(reply);
      open.add(response);
      response.on("close", () => open.delete(response));
      await run(context, request as FastifyRequest<{ Querystring: Query }>, response);
    },
  );
}

function begin(reply: FastifyReply): ServerResponse {
  reply.hijack();
  reply.raw.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", "x-accel-buffering": "no" });
  reply.raw.write(": lightv-fleet\n\n");
  return reply.raw;
}

async function run({ store, feed }: ApiContext, request: FastifyRequest<{ Querystring: Query }>, response: ServerResponse): Promise<void> {
  const { query } = request;
  const wanted = filter(query);
  const last = Number(request.headers["last-event-id"] ?? query.after ?? Number.NaN);
  let sentUpTo = Number.isSafeInteger(last) ? last : -1;
  let held: FeedItem[] | undefined = [];
  const send = (item: FeedItem): void => {
    if (item.type === "event" && item.data.id <= sentUpTo) return;
    if (item.type === "event") sentUpTo = item.data.id;
    write(response, item);
  };
  const unlisten = feed.listen((item) => {
    if (!wanted(item)) return;
    if (held === undefined) send(item);
    else held.push(item);
  });
  const heartbeat = setInterval(() => response.write(": still here\n\n"), HEARTBEAT_MS);
  response.on("close", () => {
    unlisten();
    clearInterval(heartbeat);
  });
  // First what is stored, then what came in meanwhile: the listener was there before, so there is no hole between the two.
  let from = sentUpTo;
  while (Number.isSafeInteger(last) && !response.destroyed) {
    const page = await listEvents(store.db, { device: query.device, type: query.type, app: query.app, after: from, limit: PAGE });
    for (const event of page) {
      const item: FeedItem = { type: "event", device: event.device, data: event };
      if (wanted(item)) send(item);
    }
    from = page.at(-1)?.id ?? from;
    if (page.length < PAGE) break;
    if (response.writableNeedDrain) await drained(response);
  }
  for (const item of held) send(item);
  held = undefined;
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off("drain", go).off("close", go);
      resolve();
    };
    response.on("drain", go).on("close", go);
  });
}

function filter(query: Query): (item: FeedItem) => boolean {
  const kinds = new Set<string>(query.kind === undefined ? FEED_TYPES : query.kind.split(","));
  return (item) => {
    if (!kinds.has(item.type) || (query.device !== undefined && item.device !== query.device)) return false;
    if (query.command !== undefined && (item.type === "log" || item.type === "result"))
      return query.command === (item.type === "log" ? item.data.command : item.data.id);
    if (item.type !== "event") return true;
    if (query.app !== undefined && item.data.app !== query.app) return false;
    return query.type === undefined || item.data.type === query.type || (query.type.endsWith(".") && item.data.type.startsWith(query.type));
  };
}

function write(response: ServerResponse, item: FeedItem): void {
  if (response.destroyed) return;
  const id = item.type === "event" ? `id: ${item.data.id}\n` : "";
  response.write(`${id}event: ${item.type}\ndata: ${JSON.stringify({ device: item.device, ...{ data: item.data } })}\n\n`);
  if (response.writableLength > MAX_BEHIND_BYTES) response.destroy();
}
