/** A disk of its own that is easily full, with a block device that can be throttled: an ext4 in a file in memory. */
import { execFileSync } from "node:child_process";
import { mkdirSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SmallDisk } from "./small-disk.ts";
import { unmount } from "./unmount.ts";

export class SmallExt4 {
  readonly directory: string;
  /** `/dev/loopN`. */
  readonly device: string;
  readonly #memory: SmallDisk;

  /** Makes `bytes` of it below `scratch` and mounts it on `directory`. */
  static mount(scratch: string, directory: string, bytes: number): SmallExt4 {
    const memory = SmallDisk.mount(join(scratch, "memory"), bytes + 1024 * 1024);
    try {
      const file = join(memory.directory, "disk");
      writeFileSync(file, "");
      truncateSync(file, bytes);
      execFileSync("mkfs.ext4", ["-q", "-F", "-m", "0", "-E", "nodiscard", file]);
      const device = execFileSync("losetup", ["--find", "--show", file], { encoding: "utf8" }).trim();
      try {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        execFileSync("mount", [device, directory]);
      } catch (error) {
        execFileSync("losetup", ["-d", device]);
        throw error;
      }
      return new SmallExt4(directory, device, memory);
    } catch (error) {
      memory.unmount();
      throw error;
    }
  }

  private constructor(directory: string, device: string, memory: SmallDisk) {
    this.directory = directory;
    this.device = device;
    this.#memory = memory;
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.directory);
    return bavail * bsize;
  }

  get freeInodes(): number {
    return statfsSync(this.directory).ffree;
  }

  unmount(): void {
    unmount(this.directory);
    execFileSync("losetup", ["-d", this.device]);
    this.#memory.unmount();
  }
}
