/** What each app asks of the device: of the version that it can run, which is not always the desired one. Pure. */
import type { AppRecord, ImageFacts, OwnSandbox, Target } from "./model.ts";
import { NO_RECORD } from "./model.ts";
import { rankOf } from "./priority.ts";
import { fallbackOf, isRejected, startsAgain } from "./record.ts";

export interface Claim {
  readonly app: string;
  readonly rank: number;
  readonly hash: string;
  readonly memoryBytes: number;
  /** As "80/tcp". */
  readonly ports: readonly string[];
  /** It runs, or could be started now. */
  readonly ready: boolean;
}

export interface Scene {
  readonly architecture: string;
  readonly sandboxes: readonly OwnSandbox[];
  readonly records: ReadonlyMap<string, AppRecord>;
  /** Images in the store, by digest. */
  readonly images: ReadonlyMap<string, ImageFacts>;
}

/** An app that will not run, as it has no version that can or has ended for good, asks for nothing: others must not stay out for it. */
export function claimOf(target: Target, scene: Scene): Claim | undefined {
  const own = scene.sandboxes.filter((sandbox) => sandbox.app === target.app.name);
  const record = scene.records.get(target.app.name) ?? NO_RECORD;
  const failed = isRejected(record, target) || isForeign(target, own, scene);
  const version = failed ? fallbackInReach(record, target, own, scene.images) : target;
  if (version !== undefined && isDone(version, own, record)) return undefined;
  if (version !== undefined)
    return {
      ...identityOf(target, version.hash),
      memoryBytes: memoryOf(version, scene.images),
      ports: (version.app.ports ?? []).map(({ port, protocol }) => `${port}/${protocol ?? "tcp"}`),
      ready: scene.images.has(version.app.image.digest),
    };
  const older = olderOf(target, own);
  return older && { ...identityOf(target, older.hash), memoryBytes: older.memoryBytes, ports: [], ready: true };
}

/** It ran once and its policy starts it no more. */
function isDone(version: Target, own: readonly OwnSandbox[], record: AppRecord): boolean {
  const same = own.filter((sandbox) => sandbox.hash === version.hash);
  const ended = ({ id, status, exit }: OwnSandbox): boolean =>
    status === "exited" && !record.stopping.includes(id) && !startsAgain(version.app.restart, exit);
  return same.length > 0 && same.every(ended);
}

function identityOf(target: Target, hash: string): Pick<Claim, "app" | "rank" | "hash"> {
  return { app: target.app.name, rank: rankOf(target.app), hash };
}

/** Its image is here and for other machines, so that no sandbox can be made of it. */
export function isForeign(target: Target, own: readonly OwnSandbox[], { images, architecture }: Scene): boolean {
  const facts = images.get(target.app.image.digest);
  return facts !== undefined && facts.architecture !== architecture && !own.some((sandbox) => sandbox.hash === target.hash);
}

/** The version to fall back to, when there is a sandbox or an image of it. */
export function fallbackInReach(
  record: AppRecord,
  target: Target,
  own: readonly OwnSandbox[],
  images: ReadonlyMap<string, ImageFacts>,
): Target | undefined {
  const fallback = fallbackOf(record, target);
  if (fallback === undefined) return undefined;
  return own.some((sandbox) => sandbox.hash === fallback.hash) || images.has(fallback.app.image.digest) ? fallback : undefined;
}

/** What goes on when the desired version has failed and there is none to fall back to. */
export function olderOf(target: Target, own: readonly OwnSandbox[]): OwnSandbox | undefined {
  return own.find((sandbox) => sandbox.status === "running" && sandbox.hash !== target.hash);
}

/** Bytes: the app's own budget, else its image's; 0 when neither says. */
export function memoryOf(target: Target, images: ReadonlyMap<string, ImageFacts>): number {
  return target.app.budget?.memory ?? images.get(target.app.image.digest)?.memoryBytes ?? 0;
}
