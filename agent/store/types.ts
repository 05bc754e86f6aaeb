/** What the store's users see. */
import type { Manifest } from "#agent/image/manifest.ts";
import type { Trust } from "#agent/lib/tls.ts";

export interface StoredImage {
  readonly digest: string;
  /** The `.lv` file: mountable, never changed. */
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  readonly manifest: Manifest;
}

export interface FetchProgress {
  /** Bytes of the file that are there and checked. */
  readonly done: number;
  readonly total: number;
  /** Of `done`: bytes that other images of this device already had, and that no network carried. */
  readonly reused: number;
  /** Why the last try was cut short, while the next one is waited for. */
  readonly trouble?: string;
}

export interface FetchRequest {
  readonly digest: string;
  /** Bytes of the file, as the desired state says it: the disk is checked before any byte moves. Absent: taken from the server's answer. */
  readonly size?: number;
  readonly url: string;
  /** Sent to the origin of `url` only, never to where that redirects. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the origin of `url`, for https. Absent: the system's certificates. */
  readonly trust?: Trust;
  /** NAME:TAG to give to the image when it is there. */
  readonly name?: string;
  readonly onProgress?: (progress: FetchProgress) => void;
}

export interface Collected {
  /** Digests removed. */
  readonly removed: readonly string[];
  readonly freedBytes: number;
  /** Bytes free on the disk afterwards. */
  readonly freeBytes: number;
}
