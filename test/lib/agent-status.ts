/** What lightvd says of itself on its local socket. */
import { createConnection } from "node:net";
import { join } from "node:path";
import type { AppReport } from "#agent/wire/protocol/reported.ts";

export interface AgentStatus {
  readonly pid: number;
  readonly connected: boolean;
  readonly desiredRevision: number;
  readonly outboxEvents: number;
  readonly apps: AppReport[];
}

/** Undefined while nobody answers there. */
export function agentStatus(runroot: string): Promise<AgentStatus | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const socket = createConnection(join(runroot, "agent.sock"), () => socket.write("GET /status HTTP/1.1\r\nHost: x\r\n\r\n"));
    socket.on("data", (data) => {
      text += data;
    });
    socket.on("error", () => resolve(undefined));
    socket.on("close", () =>
      resolve(text.startsWith("HTTP/1.1 200") ? (JSON.parse(text.slice(text.indexOf("\r\n\r\n"))) as AgentStatus) : undefined),
    );
  });
}
