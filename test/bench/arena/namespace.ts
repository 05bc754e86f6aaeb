/**
 * A mount namespace of the bench's own, in which all contestants run. What they mount goes with it, and paths that peers write to
 * whatever they are told (/run/containerd, /var/lib/containers, /dev/shm) are file systems of its own there.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import { endDaemon } from "./commands.ts";
import type { Undo } from "./undo.ts";

/**
 * crun refuses a hybrid machine whose v2 tree still has controllers: those are mounted as v1 here. What had to be made to
 * mount on is made on the machine, and named on the first line of the output, so that it can be removed.
 */
const HOLD = `
set -e
made=
for controller in $(cat /sys/fs/cgroup/unified/cgroup.controllers 2>/dev/null); do
  [ -d /sys/fs/cgroup/$controller ] || { mkdir /sys/fs/cgroup/$controller; made="$made /sys/fs/cgroup/$controller"; }
  mount -t cgroup -o $controller cgroup /sys/fs/cgroup/$controller || true
done
for path in /run/containerd /run/docker /run/crun /var/lib/containers /dev/shm "$1"; do
  [ -d "$path" ] || { mkdir "$path"; made="$made $path"; }
  mount -t tmpfs -o mode=0755 tmpfs "$path"
done
echo "ready$made"
exec sleep infinity`;

/** Removes the groups below `parent` in all hierarchies that are mounted, deepest first; $1 is the parent's name. */
const REMOVE_GROUPS = `
for tree in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ -d "$tree/$1" ] && find "$tree/$1" -depth -type d -exec rmdir {} \\;
done
true`;

export interface Namespace {
  /** What to put before a command, so that it runs there. */
  readonly prefix: readonly string[];
  /** Removes what is left of the cgroup parent of this name. */
  readonly removeGroups: (parent: string) => readonly string[];
}

/** `run` is a directory that becomes a tmpfs there: run-time state is in memory on a device too. */
export async function openNamespace(run: string, undo: Undo): Promise<Namespace> {
  const child = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", HOLD, "sh", run], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  const lines = createInterface(child.stdout);
  const made: string[] = [];
  undo.add("places of mounts", async () => {
    for (const path of made) await rmdir(path);
  });
  undo.add("mount namespace", () => endDaemon(child, "SIGKILL"));
  const first = await Promise.race([once(lines, "line"), once(child, "exit").then(() => ["ended"])]);
  const [word, ...directories] = String(first[0]).split(" ");
  if (word !== "ready") throw new Error(`no mount namespace: ${complaint.trim()} (the bench needs root)`);
  made.push(...directories);
  return {
    prefix: ["nsenter", `--mount=/proc/${child.pid}/ns/mnt`, "--"],
    removeGroups: (parent) => ["sh", "-c", REMOVE_GROUPS, "sh", parent],
  };
}
