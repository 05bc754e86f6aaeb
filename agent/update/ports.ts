/** What the update needs from others; the composition root decides who is behind it. */
import type { Clock } from "#agent/lib/clock.ts";
import type { Logger } from "#agent/lib/log.ts";
import type { Launch } from "./launch.ts";

export interface UpdateEvents {
  /** Durable when it returns; adds unless an event with this key was ever added. */
  addOnce(key: string, event: { readonly type: string; readonly data: Readonly<Record<string, unknown>> }): boolean;
  /** Events with these keys may come again. */
  forget(keys: readonly string[]): void;
}

export interface Payload {
  readonly name: string;
  readonly digest: string;
  readonly size: number;
}

export interface PayloadSource {
  /** Resolves with the file's path when it is in the store and every chunk was checked. It stays at least until `unpin`. */
  fetch(payload: Payload, signal: AbortSignal, onProgress: (done: number, total: number, trouble?: string) => void): Promise<string>;
  unpin(digest: string): void;
  /** The disk is short: images that nobody needs may go. */
  makeRoom(): Promise<void>;
  /** It has turned out to be damaged: the next fetch gets it anew. */
  discard(digest: string): Promise<void>;
}

/** Of the native addon. */
export interface Unpacker {
  /** Resolves with what the image says of itself, as JSON, its digest and the size of its file system among it. */
  verifyImage(path: string): Promise<string>;
  unpackImage(path: string, directory: string): Promise<void>;
  syncFileSystem(path: string): Promise<void>;
}

export interface UpdateParts {
  readonly launch: Launch;
  /** Of the agent that runs. */
  readonly version: string;
  /** The tree that it runs from. */
  readonly tree: string;
  /** Its command line, without the program. */
  readonly args: readonly string[];
  /** GOARCH name of this device. */
  readonly architecture: string;
  readonly keysDirectory: string;
  /** So long has a new version to report, from its start. */
  readonly trialMs: number;
  /** Longest time of a pull, in milliseconds. */
  readonly operationTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: UpdateEvents;
  readonly payloads: PayloadSource;
  readonly native: Unpacker;
  /** Bytes that are free where `path` lies. */
  readonly freeBytes: (path: string) => Promise<number>;
  /** There is a network at all, whoever can be reached through it. */
  readonly hasNetwork: () => boolean;
  /** Starts a sandbox of this image, and removes it. False: the image is not there. Throws why it can't be started. */
  readonly proveSandbox: (digest: string) => Promise<boolean>;
  /** Removes what a proof left that was killed halfway. */
  readonly clearProof: () => Promise<void>;
  /** The controller can be reached now. */
  readonly isOnline: () => boolean;
  /** Events that the controller has not acknowledged yet. */
  readonly backlog: () => number;
  /** What runs was found and taken over. */
  readonly hasAdopted: () => boolean;
  /** Everything this agent wrote at its start is committed by the controller. */
  readonly isHeard: () => boolean;
  /** Ends this agent, so that the service manager starts the launcher. `failed`: with an exit code that says so. */
  readonly end: (reason: string, failed: boolean) => void;
  /** The report has changed. */
  readonly onChange: () => void;
}
