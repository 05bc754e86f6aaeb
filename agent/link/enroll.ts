/** Enrolment: shows the token once, gets credentials. By hand on node:https, loaded only when it is needed. */
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import { certificateHint, type Trust, tlsOptions } from "#agent/lib/tls.ts";
import { EnrollResponse } from "#agent/wire/protocol/enroll.ts";

export interface EnrollOptions extends Trust {
  readonly controllerUrl: string;
  readonly token: string;
  readonly device: string | undefined;
  readonly architecture: string;
  readonly agentVersion: string;
}

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 65_536;

/** Throws LV_DENIED (the token, the id), LV_UNAVAILABLE (try again) or LV_MESSAGE. */
export async function enroll(options: EnrollOptions, signal: AbortSignal): Promise<EnrollResponse> {
  const url = new URL("/v1/enroll", options.controllerUrl);
  const { token, device, architecture, agentVersion } = options;
  const { status, text } = await post(
    url,
    JSON.stringify({ token, architecture, agentVersion, ...(device === undefined ? {} : { device }) }),
    options,
    signal,
  );
  if (status === 429 || status >= 500)
    throw new LightvError("LV_UNAVAILABLE", `${url} answered ${status}: ${text.slice(0, 200)}`, { hint: "it is tried again" });
  if (status !== 200 && status !== 201)
    throw new LightvError("LV_DENIED", `the controller refused the enrolment (${status}): ${text.slice(0, 300)}`, {
      hint: "check the token and the device id, then start lightvd again",
    });
  const { Value } = await import("typebox/value");
  const answer = parseJson(text);
  if (Value.Check(EnrollResponse, answer)) return answer;
  throw new LightvError("LV_MESSAGE", `${url} answered something that is no enrolment`, {
    hint: "check that controller-url is the controller's",
  });
}

async function post(url: URL, body: string, options: EnrollOptions, signal: AbortSignal): Promise<{ status: number; text: string }> {
  const { request } = url.protocol === "https:" ? await import("node:https") : await import("node:http");
  const settings: RequestOptions & Record<string, unknown> = {
    method: "POST",
    headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
    timeout: TIMEOUT_MS,
    agent: false,
    signal,
    ...tlsOptions(options),
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      const why = `${messageOf(error)}${certificateHint(error)}`;
      reject(new LightvError("LV_UNAVAILABLE", `can't reach ${url}: ${why}`, { hint: "it is tried again", cause: error }));
    };
    const call: ClientRequest = request(url, settings, (answer: IncomingMessage) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part: string) => {
        text += part;
        if (text.length > MAX_ANSWER_BYTES) answer.destroy(new Error("the answer is too long"));
      });
      answer.on("error", fail);
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    call.on("timeout", () => call.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    call.on("error", fail);
    call.end(body);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
