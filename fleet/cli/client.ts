/** The controller's API as the verbs use it: JSON calls, the event stream, uploads. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { errnoOf, LightvError, messageOf } from "#agent/lib/errors.ts";
import { CODES, type Code } from "#agent/wire/codes.ts";
import type { Profile } from "./profile.ts";

/** A controller that accepts a connection and then says nothing for so long is taken for gone. */
const SILENCE_MS = 90_000;

export interface StreamItem {
  readonly id: string | undefined;
  readonly kind: string;
  readonly device: string;
  readonly data: unknown;
}

export class Client {
  readonly #profile: Profile;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  get url(): string {
    return this.#profile.url;
  }

  /** Throws what the controller answered, as a LightvError with its code; LV_UNAVAILABLE when it can't be reached. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const { request, response } = this.#open(method, path, text === undefined ? {} : { "content-type": "application/json" });
    request.end(text);
    const answer = await response;
    const content = await bodyOf(answer);
    if ((answer.statusCode ?? 500) >= 400) throw errorOf(answer, content, `${method} ${path}`);
    return (content === "" ? undefined : JSON.parse(content)) as T;
  }

  /** `onProgress` gets bytes that left here. */
  async upload<T>(path: string, file: string, onProgress: (done: number, total: number) => void): Promise<T> {
    const { size } = await stat(file);
    const headers = { "content-type": "application/vnd.lightv.image.v1", "content-length": String(size) };
    const { request, response } = this.#open("PUT", path, headers);
    let answered = false;
    let go = (): void => undefined;
    request.on("drain", () => go()).on("close", () => go());
    // An early refusal comes while we still send: the rest need not leave, nor wait in memory.
    const stop = (): void => {
      answered = true;
      go();
    };
    response.then(stop, stop);
    let done = 0;
    for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
      if (answered || request.destroyed) break;
      if (!request.write(chunk))
        await new Promise<void>((resolve) => {
          go = resolve;
        });
      done += chunk.length;
      onProgress(done, size);
    }
    request.end();
    const answer = await response;
    const content = await bodyOf(answer);
    if ((answer.statusCode ?? 500) >= 400) throw errorOf(answer, content, `push of ${file}`);
    return JSON.parse(content) as T;
  }

  /** The event stream, until it ends or `signal` aborts. Throws when it can't be opened. */
  async *stream(
    query: Readonly<Record<string, string>>,
    options: { lastId?: string | undefined; signal?: AbortSignal; onOpen?: () => void } = {},
  ) {
    const headers = options.lastId === undefined ? {} : { "last-event-id": options.lastId };
    const { request, response } = this.#open("GET", `/v1/stream?${new URLSearchParams(query)}`, headers);
    options.signal?.addEventListener("abort", () => request.destroy(), { once: true });
    request.end();
    const answer = await response;
    if (answer.statusCode !== 200) throw errorOf(answer, await bodyOf(answer), "GET /v1/stream");
    options.onOpen?.();
    let item: { id?: string; kind: string } = { kind: "" };
    try {
      for await (const line of linesOf(answer)) {
        if (line.startsWith("id: ")) item.id = line.slice(4);
        else if (line.startsWith("event: ")) item.kind = line.slice(7);
        else if (line.startsWith("data: ")) {
          const { device, data } = JSON.parse(line.slice(6)) as { device: string; data: unknown };
          yield { id: item.id, kind: item.kind, device, data } satisfies StreamItem;
          item = { kind: "" };
        }
      }
    } finally {
      request.destroy();
    }
  }

  #open(method: string, path: string, headers: Record<string, string>): { request: ClientRequest; response: Promise<IncomingMessage> } {
    const { url: base, token, ca } = this.#profile;
    const url = URL.parse(`${base}${path}`);
    if (url === null || !/^https?:$/.test(url.protocol))
      throw new LightvError("LV_USAGE", `"${base}" is not the address of a controller`, { hint: "for example https://fleet.example.com" });
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const { promise: response, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = send(url, {
      method,
      agent: false,
      timeout: SILENCE_MS,
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(ca === undefined ? {} : { ca }),
    });
    request.on("response", resolve);
    request.on("timeout", () => request.destroy(new Error(`no answer in ${SILENCE_MS / 1000} s`)));
    request.on("error", (error) => reject(unreachable(base, error)));
    response.catch(() => undefined);
    return { request, response };
  }
}

/** readline emits the response's errors on itself, where nobody can catch them; a loop over the response throws them. */
async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  let text = "";
  for await (const chunk of answer.setEncoding("utf8")) {
    const lines = (text + String(chunk)).split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}

async function bodyOf(answer: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of answer.setEncoding("utf8")) text += String(chunk);
  return text;
}

function errorOf(answer: IncomingMessage, body: string, what: string): LightvError {
  try {
    const { error } = JSON.parse(body) as { error: { code: string; message: string; hint?: string } };
    const code: Code = error.code in CODES ? (error.code as Code) : "LV_INTERNAL";
    return new LightvError(code, error.message, error.hint === undefined ? {} : { hint: error.hint });
  } catch {
    return new LightvError("LV_UNAVAILABLE", `${what}: status ${answer.statusCode}, and not from a LightV controller`, {
      hint: "check the address",
    });
  }
}

function unreachable(url: string, error: Error): LightvError {
  const errno = errnoOf(error) ?? "";
  // OpenSSL's own text is several lines of its source code's places.
  const plain = errno === "EPROTO" || errno.startsWith("ERR_SSL");
  const why = plain ? "it does not speak TLS" : messageOf(error);
  const certificate = /CERT|SELF_SIGNED|UNABLE_TO/.test(errno);
  const hint = plain ? "is it http://?" : certificate ? "give its CA with --ca FILE" : "check that lightv-fleet runs there, and --url";
  return new LightvError("LV_UNAVAILABLE", `cannot reach the controller at ${url}: ${why}`, { hint, cause: error });
}
