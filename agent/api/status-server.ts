/** The local API: GET /status on a Unix socket that only root can open. HTTP is written by hand: node:http would cost more memory than the rest of the file. */
import { chmod, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";

const MAX_REQUEST_BYTES = 8192;
const IDLE_MS = 10_000;

export class StatusServer {
  private readonly path: string;
  private readonly status: () => unknown;
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();

  /** `status` gives what is answered, as JSON. */
  constructor(path: string, status: () => unknown) {
    this.path = path;
    this.status = status;
  }

  /** The caller holds the root's lock, so that a socket that is there belongs to a dead agent. */
  async start(): Promise<void> {
    await rm(this.path, { force: true });
    const server = createServer({ allowHalfOpen: true }, (socket) => this.serve(socket));
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.path, resolve);
    });
    await chmod(this.path, 0o600);
  }

  async stop(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.sockets) socket.destroy();
    await closed;
    await rm(this.path, { force: true });
  }

  private serve(socket: Socket): void {
    let request = "";
    this.sockets.add(socket);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.on("data", (data) => {
      request += data.toString("latin1");
      if (request.length > MAX_REQUEST_BYTES) socket.end(answer(431, { error: "the request is too long" }));
      else if (request.includes("\r\n\r\n")) socket.end(this.answerTo(request));
    });
    socket.on("end", () => socket.end());
  }

  private answerTo(request: string): string {
    const [method, path] = request.split(" ", 2);
    if (path !== "/status") return answer(404, { error: `no such path: ${path} (there is: /status)` });
    if (method !== "GET") return answer(405, { error: "only GET" });
    return answer(200, this.status());
  }
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
};

function answer(code: number, body: unknown): string {
  const text = `${JSON.stringify(body)}\n`;
  return `HTTP/1.1 ${code} ${REASONS[code]}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`;
}
