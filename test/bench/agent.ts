/** The agent at rest: one app, connected over MQTT, nothing to do. */
import { readdirSync, readFileSync } from "node:fs";
import { busyboxImage } from "#test/lib/images.ts";
import { until, World } from "#test/lib/world.ts";
import { type Memory, memoryOf } from "./memory.ts";

export interface AgentIdle {
  readonly lightvd: Memory;
  readonly monitor: Memory;
  /** CPU time that the agent used while it was idle. */
  readonly cpuMs: number;
}

/** User and system time of a process, proc_pid_stat(5) fields 14 and 15, at 100 ticks a second. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function pidOfMonitor(): number {
  const pid = readdirSync("/proc").find((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/comm`, "utf8").startsWith("lightv-monitor");
    } catch {
      return false;
    }
  });
  return Number(pid);
}

export async function measureAgent(idleSeconds: number): Promise<AgentIdle> {
  const world = new World({ agent: ["heartbeat = 30"] });
  try {
    await world.start();
    await busyboxImage(world.box.root, { name: "idle", cmd: ["/bin/busybox", "sleep", "100000"] });
    await world.fleetOk("push", "idle");
    await world.fleetOk("deploy", world.device, "idle", "--image", "idle", "--memory", "16m", "--wait");
    await until("the app to run", async () => ((await world.appReport("idle"))?.phase === "running" ? true : undefined));
    const pid = world.agent?.pid ?? 0;
    const before = cpuMs(pid);
    await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000));
    return { lightvd: memoryOf(pid), monitor: memoryOf(pidOfMonitor()), cpuMs: cpuMs(pid) - before };
  } finally {
    await world.close();
  }
}
