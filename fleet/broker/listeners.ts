/** Sockets that MQTT connections come in by: TCP, TLS, WebSocket and WebSocket over TLS. */
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { createWebSocketStream, WebSocketServer } from "ws";

import { errnoOf, LightvError, messageOf } from "#agent/lib/errors.ts";

export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface ListenerOptions {
  readonly kind: "mqtt" | "mqtts" | "ws" | "wss";
  readonly at: { readonly host: string; readonly port: number };
  readonly tls: TlsMaterial | undefined;
  readonly maxPacketBytes: number;
}

export interface Listener {
  readonly kind: ListenerOptions["kind"];
  readonly port: number;
  close(): Promise<void>;
}

export type Accept = (connection: Duplex, address: string) => void;

/** Throws LV_CONFIG when the address can't be had. */
export async function listen(options: ListenerOptions, accept: Accept): Promise<Listener> {
  const { server, close } = options.kind === "ws" || options.kind === "wss" ? webSocket(options, accept) : stream(options, accept);
  const { host, port } = options.at;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new LightvError("LV_CONFIG", `cannot listen for ${options.kind} on ${host}:${port}: ${messageOf(error)}`, {
          hint: errnoOf(error) === "EADDRINUSE" ? "another program has this port: stop it or set another" : "check the address",
          cause: error,
        }),
      ),
    );
    server.listen(port, host, resolve);
  });
  server.on("error", () => undefined);
  return {
    kind: options.kind,
    port: (server.address() as AddressInfo).port,
    close: () => {
      close();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

interface Opened {
  readonly server: Server | HttpServer;
  close(): void;
}

function stream({ kind, tls }: ListenerOptions, accept: Accept): Opened {
  const server =
    kind === "mqtts"
      ? createTlsServer({ ...tls, minVersion: "TLSv1.2", handshakeTimeout: 10_000 }, (socket) =>
          accept(socket, socket.remoteAddress ?? "?"),
        )
      : createServer((socket) => accept(socket, socket.remoteAddress ?? "?"));
  return { server, close: () => undefined };
}

function webSocket({ kind, tls, maxPacketBytes }: ListenerOptions, accept: Accept): Opened {
  const server = kind === "wss" ? createHttpsServer({ ...tls, minVersion: "TLSv1.2" }) : createHttpServer();
  server.headersTimeout = 10_000;
  // The sub-protocol's name is the standard's (MQTT 3.1.1, 6).
  const sockets = new WebSocketServer({
    server,
    maxPayload: maxPacketBytes + 5,
    handleProtocols: (offered) => (offered.has("mqtt") ? "mqtt" : false),
  });
  sockets.on("connection", (socket, request) => accept(createWebSocketStream(socket), request.socket.remoteAddress ?? "?"));
  sockets.on("error", () => undefined);
  server.on("request", (_request, response: import("node:http").ServerResponse) => {
    response.writeHead(426, { "content-type": "text/plain" }).end("MQTT over WebSocket only\n");
  });
  return {
    server,
    close: () => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
}
