/** `lightv runtime serve` for a test's own roots: sandboxes that are ready before they are asked for. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Box } from "./command.ts";
import type { TestContext } from "./suite.ts";

export interface RuntimeStatus {
  readonly taken: number;
  readonly missed: number;
  readonly images: readonly { readonly ready: number }[];
}

export class Runtime {
  private readonly box: Box;
  private readonly child: ChildProcess;

  private constructor(box: Box, child: ChildProcess) {
    this.box = box;
    this.child = child;
  }

  /** Ends with the test; one sandbox of `image` is ready when it resolves. */
  static async start(t: TestContext, box: Box, image: string): Promise<Runtime> {
    const child = spawn(box.binary, ["runtime", "serve", "--warm", `${image}=1`], { env: { ...process.env, ...box.env }, stdio: "ignore" });
    const runtime = new Runtime(box, child);
    t.cleanup(() => runtime.stop());
    await runtime.ready();
    return runtime;
  }

  async status(): Promise<RuntimeStatus | undefined> {
    const { code, stdout } = await this.box.lightv(["runtime", "status", "--json"]);
    return code === 0 ? (JSON.parse(stdout) as RuntimeStatus) : undefined;
  }

  /** Waits until one is ready (again); the test's own limit of time is what ends a wait in vain. */
  async ready(): Promise<RuntimeStatus> {
    for (;;) {
      const status = await this.status();
      if (status !== undefined && (status.images[0]?.ready ?? 0) > 0) return status;
      await sleep(20);
    }
  }

  private async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill();
    await ended;
  }
}
