/** One ranged GET, redirects followed. Node's own client, because a device's memory is short. */
import type { IncomingMessage } from "node:http";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import { certificateHint, type Trust, tlsOptions } from "#agent/lib/tls.ts";

export interface RangeRequest {
  readonly url: string;
  /** Sent to the origin of `url` only. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of that origin; undefined: the system's certificates. */
  readonly trust: Trust | undefined;
  readonly start: number;
  /** Included. */
  readonly end: number;
  readonly signal: AbortSignal;
  /** So long without a byte is a cut. Milliseconds. */
  readonly idleMs: number;
}

export interface RangeAnswer {
  /** Byte of the file that the body begins with: 0 when the server does not do ranges. */
  readonly start: number;
  readonly partial: boolean;
  readonly body: IncomingMessage;
}

/** What may pass: it is tried again. `retryAfterMs` when the server says when. */
export class Transient extends Error {
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs?: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

const MAX_REDIRECTS = 5;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const PASSING: readonly number[] = [408, 425, 429];

/** Throws Transient, LV_DENIED, LV_FETCH; the signal's reason when that aborts. */
export async function openRange(request: RangeRequest): Promise<RangeAnswer> {
  const first = parseUrl(request.url);
  let url = first;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const response = await get(url, request, url.origin === first.origin);
    const status = response.statusCode ?? 0;
    const { location } = response.headers;
    if (!REDIRECTS.includes(status) || location === undefined) return check(response, status, request, url);
    response.destroy();
    const next = parseUrl(new URL(location, url).href);
    if (url.protocol === "https:" && next.protocol !== "https:")
      throw refused(url, `it redirects to ${next.origin}, without encryption`, "point the app's image at an https address");
    url = next;
  }
  throw refused(first, `more than ${MAX_REDIRECTS} redirects`, "check the server");
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw new LightvError("LV_FETCH", `"${text}" is no address to fetch an image from`, { hint: "it must begin with http:// or https://" });
}

async function get(url: URL, request: RangeRequest, own: boolean): Promise<IncomingMessage> {
  // Loaded only when an image is fetched: TLS alone takes 2 MB.
  const { get: open } = url.protocol === "https:" ? await import("node:https") : await import("node:http");
  const { start, end, signal, idleMs, trust } = request;
  const headers = { ...(own ? request.headers : {}), "accept-encoding": "identity", range: `bytes=${start}-${end}` };
  return new Promise((resolve, reject) => {
    const options = { headers, signal, timeout: idleMs, ...(trust === undefined || !own ? {} : tlsOptions(trust)) };
    // The time-out is the socket's and goes on during the body.
    const client = open(url, options);
    client.on("response", resolve);
    client.on("timeout", () => client.destroy(new Transient(`${url.host} was silent for ${idleMs / 1000} s`)));
    client.on("error", (error) =>
      reject(signal.aborted ? signal.reason : new Transient(`${url.host}: ${messageOf(error)}${certificateHint(error)}`)),
    );
  });
}

function check(response: IncomingMessage, status: number, { start, end }: RangeRequest, url: URL): RangeAnswer {
  if (status === 200) return { start: 0, partial: false, body: response };
  if (status === 206) {
    const range = response.headers["content-range"] ?? "";
    const [, from = "", to = ""] = /^bytes (\d{1,15})-(\d{1,15})\/(?:\d{1,15}|\*)$/.exec(range) ?? [];
    if (Number(from) === start && from !== "" && Number(to) <= end) return { start, partial: true, body: response };
    response.destroy();
    throw refused(
      url,
      `it was asked for bytes ${start}-${end} and answered "${range}"`,
      "the server is broken: serve the image by another one",
    );
  }
  response.destroy();
  if (status === 401 || status === 403)
    throw new LightvError("LV_DENIED", `${url.origin} refuses the image (HTTP ${status})`, {
      hint: "check the device's credentials for that server",
    });
  if (status >= 500 || PASSING.includes(status))
    throw new Transient(`${url.host} answers HTTP ${status}`, retryAfter(response.headers["retry-after"]));
  throw refused(
    url,
    `HTTP ${status} for ${url.pathname}`,
    status === 404 ? "push the image, or correct the app's image URL" : "check the server",
  );
}

function retryAfter(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined;
}

function refused(url: URL, why: string, hint: string): LightvError {
  return new LightvError("LV_FETCH", `can't fetch the image from ${url.origin}: ${why}`, { hint });
}
