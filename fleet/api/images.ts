/** /v1/images: what devices fetch. Uploads are streamed and checked whole; downloads take ranges. */
import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import { LightvError } from "#agent/lib/errors.ts";
import { answerRange } from "#fleet/registry/range.ts";
import { audit } from "#fleet/store/audit.ts";
import { type ImageRow, listImages } from "#fleet/store/images.ts";
import { withTag } from "./apps.ts";
import { requireToken, requireTokenOrDevice } from "./auth.ts";
import type { Api, ApiContext } from "./context.ts";
import { isoOrNull } from "./devices.ts";

const IMAGE_TYPE = "application/vnd.lightv.image.v1";
const ImageParams = Type.Object({ digest: Type.String({ pattern: "^sha256:[0-9a-f]{64}$" }) });

export function imageRoutes(api: Api, context: ApiContext): void {
  const { store, images, now } = context;
  api.addContentTypeParser([IMAGE_TYPE, "application/octet-stream"], (_request, payload, done) => done(null, payload));

  api.get("/v1/images", { schema: { summary: "Images, newest first", tags: ["images"] }, onRequest: requireToken(context) }, async () => ({
    images: (await listImages(store.db)).map(view),
  }));

  api.put(
    "/v1/images",
    {
      schema: {
        summary: "Push a .lv file; it is checked whole before it is visible",
        tags: ["images"],
        consumes: [IMAGE_TYPE, "application/octet-stream"],
        querystring: Type.Object({ name: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })) }),
      },
      onRequest: requireToken(context),
    },
    async (request, reply) => {
      if (request.body === null || request.body === undefined)
        throw new LightvError("LV_USAGE", "the request has no body", { hint: `send the .lv file as ${IMAGE_TYPE}` });
      const { name } = request.query;
      const row = await images.receive(request.body as AsyncIterable<Uint8Array>, name === undefined ? undefined : withTag(name));
      await audit(store.db, { at: now(), actor: "api", action: "image.push", detail: `${row.name} ${row.digest}` });
      return reply.code(201).header("location", `/v1/images/${row.digest}`).send(view(row));
    },
  );

  api.route({
    method: ["GET", "HEAD"],
    url: "/v1/images/:digest",
    schema: { summary: "An image's bytes; takes Range, If-Range and If-None-Match", tags: ["images"], params: ImageParams },
    onRequest: requireTokenOrDevice(context),
    handler: async (request, reply) => {
      const { range, "if-range": ifRange, "if-none-match": ifNoneMatch } = request.headers;
      const only = typeof ifRange === "string" ? ifRange : undefined;
      return sendImage(context, reply, request.params.digest, request.method === "HEAD", { range, ifRange: only, ifNoneMatch });
    },
  });

  api.delete(
    "/v1/images/:digest",
    { schema: { summary: "Delete an image that no device uses", tags: ["images"], params: ImageParams }, onRequest: requireToken(context) },
    async (request, reply) => {
      await images.remove(request.params.digest);
      await audit(store.db, { at: now(), actor: "api", action: "image.remove", detail: request.params.digest });
      return reply.code(204).send();
    },
  );
}

async function sendImage(
  { images }: ApiContext,
  reply: FastifyReply,
  digest: string,
  head: boolean,
  asked: Parameters<typeof answerRange>[0],
): Promise<FastifyReply> {
  const opened = await images.open(digest);
  if (opened === undefined)
    throw new LightvError("LV_NOT_FOUND", `no image ${digest}`, { hint: "push it first: `lightv fleet push IMAGE`" });
  const { file, size } = opened;
  // The digest is of the manifest, which binds every byte: the name never means another content.
  const etag = `"${digest}"`;
  const answer = answerRange(asked, size, etag);
  reply.headers({ etag, "accept-ranges": "bytes", "cache-control": "private, max-age=31536000, immutable" }).code(answer.status);
  if (answer.status === 416 || answer.status === 304) {
    await file.close();
    if (answer.status === 416) reply.header("content-range", `bytes */${size}`);
    return reply.send();
  }
  const [start, end] = answer.status === 206 ? [answer.start, answer.end] : [0, size - 1];
  if (answer.status === 206) reply.header("content-range", `bytes ${start}-${end}/${size}`);
  reply.headers({ "content-type": IMAGE_TYPE, "content-length": end - start + 1 });
  if (head) {
    await file.close();
    return reply.send();
  }
  return reply.send(file.createReadStream({ start, end, highWaterMark: 256 * 1024 }));
}

function view(row: ImageRow) {
  const { digest, name, size, architecture, created } = row;
  return { digest, name, size, architecture, created, pushedAt: isoOrNull(row.pushed_at), config: JSON.parse(row.config) as unknown };
}
