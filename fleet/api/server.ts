/** The HTTP server: routes, who may use them, OpenAPI made from the same schemas. */
import type { AddressInfo } from "node:net";
import swagger from "@fastify/swagger";
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import Fastify from "fastify";
import { errnoOf, LightvError, messageOf } from "#agent/lib/errors.ts";
import { agentRoutes } from "./agent.ts";
import { appRoutes } from "./apps.ts";
import { requireToken } from "./auth.ts";
import { commandRoutes } from "./commands.ts";
import type { Api, ApiContext } from "./context.ts";
import { deviceRoutes } from "./devices.ts";
import { enrollRoutes } from "./enroll.ts";
import { errorHandler } from "./errors.ts";
import { eventRoutes } from "./events.ts";
import { imageRoutes } from "./images.ts";
import { streamRoutes } from "./stream.ts";
import { systemRoutes } from "./system.ts";
import { tokenRoutes } from "./tokens.ts";

/** A desired state is at most 64 KiB on the wire; as people write it it may be a little more. */
const MAX_BODY_BYTES = 1024 * 1024;

export interface ServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly context: ApiContext;
  /** A request that failed by a defect of ours. */
  readonly onDefect: (error: unknown, request: string) => void;
}

export interface ApiServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Throws LV_CONFIG when the address can't be had. */
export async function serve(options: ServerOptions): Promise<ApiServer> {
  const api = await build(options);
  const { host, port } = options.listen;
  try {
    await api.listen({ host, port });
  } catch (error) {
    await api.close();
    throw new LightvError("LV_CONFIG", `cannot listen for the API on ${host}:${port}: ${messageOf(error)}`, {
      hint: errnoOf(error) === "EADDRINUSE" ? "another program has this port: stop it or set another api.listen" : "check api.listen",
      cause: error,
    });
  }
  return { port: (api.server.address() as AddressInfo).port, close: () => api.close() };
}

/** The server without its socket: what the OpenAPI document is made from. */
export async function build({ tls, context, onDefect }: Omit<ServerOptions, "listen">): Promise<Api> {
  const base = { logger: false, bodyLimit: MAX_BODY_BYTES, forceCloseConnections: true, exposeHeadRoutes: false };
  const fastify = tls === undefined ? Fastify(base) : Fastify({ ...base, https: { ...tls, minVersion: "TLSv1.2" as const } });
  const api = fastify.withTypeProvider<TypeBoxTypeProvider>() as unknown as Api;
  api.server.headersTimeout = 10_000;
  api.setValidatorCompiler(TypeBoxValidatorCompiler);
  api.setErrorHandler(errorHandler(onDefect));
  api.setNotFoundHandler((request) => {
    throw new LightvError("LV_NOT_FOUND", `there is no ${request.method} ${request.url.split("?")[0]}`, {
      hint: "GET /openapi.json lists what there is",
    });
  });
  await api.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "lightv-fleet", description: "The fleet controller's API. Errors: docs/errors.md.", version: context.version },
      components: {
        securitySchemes: { token: { type: "http", scheme: "bearer" }, device: { type: "http", scheme: "basic" } },
      },
      security: [{ token: [] }],
    },
  });
  api.get("/openapi.json", { schema: { hide: true } }, async () => api.swagger());
  await api.register((open, _options, done) => {
    for (const routes of [enrollRoutes, systemRoutes, imageRoutes]) routes(open as Api, context);
    done();
  });
  await api.register((closed, _options, done) => {
    closed.addHook("onRequest", requireToken(context));
    for (const routes of [deviceRoutes, agentRoutes, appRoutes, commandRoutes, eventRoutes, streamRoutes, tokenRoutes])
      routes(closed as Api, context);
    done();
  });
  await api.ready();
  return api;
}
