/** The disk's own process: a device under load must not wait for the test, nor the test for it. Started by power-disk.ts only. */
import type { CutMode } from "./log.ts";
import { DiskServer } from "./server.ts";
import { type DiskOptions, VolatileDisk } from "./store.ts";

export type Order =
  | { readonly do: "open"; readonly options: DiskOptions; readonly socket: string }
  | { readonly do: "cut"; readonly seed: number; readonly mode: CutMode }
  | { readonly do: "freeze" }
  | { readonly do: "freeze-at"; readonly writes: number; readonly unflushed: number }
  | { readonly do: "outcome"; readonly seed: number; readonly mode: CutMode; readonly copy: string }
  | { readonly do: "flush-time"; readonly ms: number }
  | { readonly do: "stats" }
  | { readonly do: "close" };

let server: DiskServer | undefined;

async function perform(order: Order): Promise<unknown> {
  if (order.do === "open") {
    const disk = await VolatileDisk.open(order.options);
    server = new DiskServer(disk, (text) => console.error(`power-disk: ${text}`));
    return server.listen(order.socket);
  }
  if (server === undefined) throw new Error("the disk is not open");
  switch (order.do) {
    case "cut":
      return server.cut(order.seed, order.mode);
    case "freeze":
      return server.freeze();
    case "freeze-at":
      return server.freezeAt(order.writes, order.unflushed);
    case "outcome":
      return server.disk.outcome(order.seed, order.mode, order.copy);
    case "flush-time":
      server.disk.flushMs = order.ms;
      return undefined;
    case "stats":
      return { ...server.disk.stats };
    case "close":
      return server.close();
    default:
      return order satisfies never;
  }
}

process.on("message", ({ id, order }: { id: number; order: Order }) => {
  perform(order).then(
    (result) => process.send?.({ id, result }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
// Whoever started us has gone.
process.on("disconnect", () => process.exit(0));
