/** A disk that is easily full: a tmpfs of its own. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "#agent/lib/errors.ts";
import { unmount } from "./unmount.ts";

export class SmallDisk {
  readonly directory: string;

  /** Mounts `bytes` of memory on `directory`, which is made. */
  static mount(directory: string, bytes: number): SmallDisk {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=0700`, "lightv-test", directory]);
    return new SmallDisk(directory);
  }

  private constructor(directory: string) {
    this.directory = directory;
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.directory);
    return bavail * bsize;
  }

  /** Leaves so many bytes; 0 leaves nothing at all. */
  fill(leaveBytes: number): void {
    const file = openSync(join(this.directory, "ballast"), "a");
    const piece = Buffer.alloc(64 * 1024);
    try {
      while (this.freeBytes > leaveBytes) writeSync(file, piece, 0, Math.min(piece.length, this.freeBytes - leaveBytes));
    } catch (error) {
      if (errnoOf(error) !== "ENOSPC") throw error;
    } finally {
      closeSync(file);
    }
  }

  makeRoom(): void {
    rmSync(join(this.directory, "ballast"), { force: true });
  }

  unmount(): void {
    unmount(this.directory);
  }
}
