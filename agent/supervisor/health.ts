/** Asks a running sandbox again and again whether it does its work. */
import { connect } from "node:net";
import type { Clock } from "#agent/lib/clock.ts";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { SandboxEngine } from "#agent/sandbox/engine.ts";
import type { App, HealthCheck } from "#agent/wire/protocol/app.ts";
import type { Health } from "./model.ts";

const INTERVAL_MS = 30_000;
const TIMEOUT_MS = 5_000;
const RETRIES = 3;
const OUTPUT_BYTES = 4096;

export interface HealthState {
  readonly health: Exclude<Health, "none">;
  readonly failures: number;
  /** Why the last probe failed; "" when it did not. */
  readonly reason: string;
}

export const HEALTH_START: HealthState = { health: "starting", failures: 0, reason: "" };

/** What one more probe makes of the state. Failures within the start period do not count until the first success. Pure. */
export function afterProbe(state: HealthState, failure: string | undefined, ranMs: number, check: HealthCheck): HealthState {
  if (failure === undefined) return { health: "healthy", failures: 0, reason: "" };
  if (state.health === "starting" && ranMs < (check.startPeriodMs ?? 0)) return { ...state, reason: failure };
  const failures = state.failures + 1;
  return { health: failures >= (check.retries ?? RETRIES) ? "unhealthy" : state.health, failures, reason: failure };
}

/** Throws LV_CONFIG for a check that can never succeed, before anything is started. */
export function checkHealthRule(app: App): void {
  const probe = app.health?.probe;
  if (probe === undefined || "exec" in probe || app.network === "host") return;
  throw new LightvError(
    "LV_CONFIG",
    `app ${app.name}: a ${"http" in probe ? "http" : "tcp"} health check can't reach a sandbox without network`,
    {
      hint: 'give the app network "host", or use an exec check',
    },
  );
}

/** Probes until the signal aborts; tells each change of the state. */
export async function watchHealth(
  engine: SandboxEngine,
  clock: Clock,
  sandboxId: string,
  check: HealthCheck,
  signal: AbortSignal,
  onState: (state: HealthState) => void,
): Promise<void> {
  const since = clock.uptimeMs();
  const startPeriod = check.startPeriodMs ?? 0;
  let state = HEALTH_START;
  while (!signal.aborted) {
    // Within the start period once a second, so that an app that is up is soon known to be.
    const starting = state.health === "starting" && clock.uptimeMs() - since < startPeriod;
    const interval = check.intervalMs ?? INTERVAL_MS;
    await clock.sleep(starting ? Math.min(1000, interval) : interval, signal).catch(() => undefined);
    if (signal.aborted) return;
    const failure = await probe(engine, sandboxId, check, signal);
    if (signal.aborted) return;
    const next = afterProbe(state, failure, clock.uptimeMs() - since, check);
    if (next.health !== state.health || next.reason !== state.reason) onState(next);
    state = next;
  }
}

/** Why the probe failed, or undefined when it did not. Never rejects. */
async function probe(engine: SandboxEngine, sandboxId: string, check: HealthCheck, signal: AbortSignal): Promise<string | undefined> {
  const timeoutMs = check.timeoutMs ?? TIMEOUT_MS;
  try {
    if ("exec" in check.probe) return await probeExec(engine, sandboxId, check.probe.exec, timeoutMs);
    if ("http" in check.probe) return await probeHttp(check.probe.http.port, check.probe.http.path ?? "/", timeoutMs, signal);
    return await probeTcp(check.probe.tcp.port, timeoutMs);
  } catch (error) {
    return messageOf(error);
  }
}

async function probeExec(engine: SandboxEngine, id: string, args: readonly string[], timeoutMs: number): Promise<string | undefined> {
  const outcome = await engine.exec(id, { args, timeoutMs, maxOutputBytes: OUTPUT_BYTES });
  if (outcome.timedOut) return `${args[0]} did not end within ${timeoutMs} ms`;
  if (outcome.exitCode === 0) return undefined;
  const said = Buffer.from(outcome.stderr.length > 0 ? outcome.stderr : outcome.stdout)
    .toString("utf8")
    .trim()
    .slice(-200);
  return `${args[0]} exited with code ${outcome.exitCode}${said === "" ? "" : `: ${said}`}`;
}

/** A request by hand: Node's HTTP client would stay in memory for the sake of one status line. */
function probeHttp(port: number, path: string, timeoutMs: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    let head = "";
    const end = (failure: string | undefined): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve(failure);
    };
    const onAbort = (): void => end("stopped");
    const timer = setTimeout(() => end(`no answer from port ${port} within ${timeoutMs} ms`), timeoutMs);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("connect", () =>
      socket.write(`GET ${path} HTTP/1.0\r\nHost: localhost:${port}\r\nUser-Agent: lightvd\r\nConnection: close\r\n\r\n`),
    );
    socket.on("error", (error) => end(`port ${port}: ${error.message}`));
    socket.on("end", () => end(`port ${port} closed without an answer`));
    socket.on("data", (data) => {
      head += data.toString("latin1");
      const status = /^HTTP\/1\.[01] (\d{3})[ \r\n]/.exec(head)?.[1];
      // As Kubernetes has it: 200 to 399 is well.
      if (status !== undefined)
        end(Number(status) >= 200 && Number(status) < 400 ? undefined : `port ${port} answered ${status} for ${path}`);
      else if (head.length > 64) end(`port ${port} does not speak HTTP`);
    });
  });
}

function probeTcp(port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const end = (failure: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(failure);
    };
    const timer = setTimeout(() => end(`port ${port} did not accept within ${timeoutMs} ms`), timeoutMs);
    socket.on("connect", () => end(undefined));
    socket.on("error", (error) => end(`port ${port}: ${error.message}`));
  });
}
