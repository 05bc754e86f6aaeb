/** An HTTP server for one image that misbehaves as told: cuts, lies, forgets ranges. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Ask {
  /** Of this request; 0 and the last byte when it asks for no range. */
  readonly start: number;
  readonly end: number;
  /** Counted from 0. */
  readonly number: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** True when it has answered itself. */
export type Misbehave = (ask: Ask) => boolean;

export interface ImageServer {
  readonly url: string;
  readonly asks: { readonly start: number; readonly end: number; readonly authorization: string | undefined }[];
  /** Bytes of bodies sent. */
  sent(): number;
  close(): Promise<void>;
}

export async function serveImage(bytes: Buffer, misbehave: Misbehave = () => false, ranges = true): Promise<ImageServer> {
  const asks: { start: number; end: number; authorization: string | undefined }[] = [];
  let sent = 0;
  const server = createServer((request, response) => {
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const [start, end] = ranges && match !== null ? [Number(match[1]), Number(match[2])] : [0, bytes.length - 1];
    asks.push({ start, end, authorization: request.headers.authorization });
    if (misbehave({ start, end, number: asks.length - 1, request, response })) return;
    const body = bytes.subarray(start, end + 1);
    sent += body.length;
    if (ranges) response.writeHead(206, { "content-range": `bytes ${start}-${end}/${bytes.length}`, "content-length": body.length });
    else response.writeHead(200, { "content-length": body.length });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/image.lv`,
    asks,
    sent: () => sent,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
