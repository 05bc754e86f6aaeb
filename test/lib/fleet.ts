/**
 * A real controller for tests and the demo: `fleet/main.ts` as a process of its own, in a directory of its own, on free ports.
 *
 *     const fleet = await startFleet(directory);            // directory must exist; pass extra: ["--set", "key=value"] for more
 *     const device = await fleet.enroll("dev-1");           // {device, password, mqttUrl, imagesUrl}
 *     await fleet.api("GET", "/v1/devices");                 // JSON; throws ApiError with the status and the body
 *     await fleet.kill();  await fleet.restart();            // kill -9, and again on the same ports and data
 *     await fleet.stop();
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { readFile, rm, stat } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EnrollResponse } from "#agent/wire/protocol/enroll.ts";

const top = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const START_TIMEOUT_MS = 20_000;

export interface Endpoints {
  readonly pid: number;
  readonly api: string;
  readonly mqtt?: string;
  readonly mqtts?: string;
  readonly ws?: string;
  readonly wss?: string;
}

export interface FleetOptions {
  /** Arguments after --data-dir; `--set key=value` pairs mostly. */
  readonly extra?: readonly string[];
  /** PEM of the CA that the API's certificate was signed by. */
  readonly ca?: string;
  /** What to run instead of `node fleet/main.ts`: the installed program. */
  readonly command?: readonly string[];
}

export interface ApiAnswer<T = unknown> {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: T;
  readonly bytes: Buffer;
}

export class ApiError extends Error {
  readonly status: number;
  readonly body: unknown;
  constructor(status: number, body: unknown, what: string) {
    super(`${what}: ${status} ${JSON.stringify(body)}`);
    this.status = status;
    this.body = body;
  }
}

export class Fleet {
  readonly directory: string;
  readonly #options: FleetOptions;
  #child: ChildProcess | undefined;
  #output = "";
  endpoints: Endpoints = { pid: 0, api: "" };
  token = "";

  constructor(directory: string, options: FleetOptions) {
    this.directory = directory;
    this.#options = options;
  }

  /** What the controller wrote to stderr. */
  get output(): string {
    return this.#output;
  }

  async start(): Promise<void> {
    const file = join(this.directory, "endpoints.json");
    await rm(file, { force: true });
    // The ports of the life before, so that devices find it again.
    const at = (url: string | undefined): string => (url === undefined ? "127.0.0.1:0" : new URL(url).host);
    const [command = process.execPath, ...before] = this.#options.command ?? [
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      join(top, "fleet/main.ts"),
    ];
    const ports = ["--set", `api.listen=${at(this.endpoints.api || undefined)}`, "--set", `mqtt.listen=${at(this.endpoints.mqtt)}`];
    const args = [...before, "--data-dir", this.directory, ...ports, ...(this.#options.extra ?? [])];
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#output = (this.#output + text).slice(-200_000);
    });
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const text = await readFile(file, "utf8").catch(() => "");
      if (text.endsWith("\n")) {
        this.endpoints = JSON.parse(text) as Endpoints;
        break;
      }
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`lightv-fleet ended: ${this.#output}`);
      if (Date.now() > deadline) {
        await this.kill();
        throw new Error(`lightv-fleet is not ready after ${START_TIMEOUT_MS} ms: ${this.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    this.token = (await readFile(join(this.directory, "api-token"), "utf8")).trim();
  }

  /** SIGTERM, and waits; gives the exit code. */
  stop(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  /** SIGKILL, and waits. */
  kill(): Promise<number | null> {
    return this.#end("SIGKILL");
  }

  async restart(): Promise<void> {
    await this.#end("SIGKILL");
    await this.start();
  }

  #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child?.exitCode ?? null);
    return new Promise((resolve) => {
      child.once("exit", (code) => resolve(code));
      child.kill(signal);
    });
  }

  /** A request with the API token; any status is an answer. `body`: JSON, or a stream with `headers`. */
  raw(
    method: string,
    path: string,
    body?: unknown,
    options: { headers?: Record<string, string>; token?: string; stream?: AsyncIterable<Uint8Array> } = {},
  ): Promise<ApiAnswer> {
    const url = new URL(path, this.endpoints.api);
    const authorization = options.token ?? `Bearer ${this.token}`;
    const headers = {
      ...(authorization === "" ? {} : { authorization }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...options.headers,
    };
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
    const request = send(
      url,
      { method, headers, agent: false, ...(this.#options.ca === undefined ? {} : { ca: this.#options.ca }) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          const json = /json/.test(response.headers["content-type"] ?? "") && bytes.length > 0;
          const parsed: unknown = json ? JSON.parse(bytes.toString("utf8")) : bytes.toString("utf8");
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parsed, bytes });
        });
      },
    );
    request.on("error", reject);
    if (options.stream === undefined) request.end(body === undefined ? undefined : JSON.stringify(body));
    else void pump(options.stream, request).catch((error: unknown) => request.destroy(error as Error));
    return promise;
  }

  /** As raw, but a status of 400 and over is thrown. */
  async api<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.raw(method, path, body);
    if (answer.status >= 400) throw new ApiError(answer.status, answer.body, `${method} ${path}`);
    return answer.body as T;
  }

  /** A new enrolment token's secret. */
  async enrolmentToken(uses = 1): Promise<string> {
    return (await this.api<{ token: string }>("POST", "/v1/tokens", { uses })).token;
  }

  async enroll(device: string, architecture = "amd64"): Promise<EnrollResponse> {
    const token = await this.enrolmentToken();
    return this.api<EnrollResponse>("POST", "/v1/enroll", { token, device, architecture, agentVersion: "0.1.0" });
  }

  /** Pushes a `.lv` file. */
  async push(file: string, name?: string): Promise<{ digest: string; name: string; size: number }> {
    const query = name === undefined ? "" : `?name=${encodeURIComponent(name)}`;
    const { size } = await stat(file);
    const answer = await this.raw("PUT", `/v1/images${query}`, undefined, {
      stream: createReadStream(file),
      headers: { "content-type": "application/vnd.lightv.image.v1", "content-length": String(size) },
    });
    if (answer.status >= 400) throw new ApiError(answer.status, answer.body, "PUT /v1/images");
    return answer.body as { digest: string; name: string; size: number };
  }
}

async function pump(source: AsyncIterable<Uint8Array>, sink: import("node:http").ClientRequest): Promise<void> {
  let go = (): void => undefined;
  sink.on("drain", () => go()).on("close", () => go());
  for await (const chunk of source)
    if (!sink.write(chunk) && !sink.destroyed)
      await new Promise<void>((resolve) => {
        go = resolve;
      });
  sink.end();
}

export async function startFleet(directory: string, options: FleetOptions = {}): Promise<Fleet> {
  const fleet = new Fleet(directory, options);
  await fleet.start();
  return fleet;
}
