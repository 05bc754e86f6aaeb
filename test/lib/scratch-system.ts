/** This machine's file system as a scratch copy: a script may change anything in it as root, and nothing of that stays. */
import { spawnSync } from "node:child_process";

/** Paths of the machine that scripts of packages touch begin empty, whatever is there. */
const EMPTY = ["/etc/lightv", "/var/lib/lightv", "/run/lightv", "/etc/systemd/system", "/usr/sbin/policy-rc.d"];

const PREPARE = `
set -e
exec 2>&1
mount -t tmpfs none /mnt
mkdir /mnt/up /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work /mnt/root
mount -t tmpfs none /mnt/root/run
mkdir -p /mnt/root/run/systemd/system
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
for path in ${EMPTY.join(" ")}; do rm -rf "/mnt/root$path"; done
cat > /mnt/script
exec chroot /mnt/root /bin/sh -ec "$(cat /mnt/script)"
`;

export interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a shell script there, in a process namespace of its own. Output is stdout and stderr together. */
export function inScratchSystem(script: string): Outcome {
  const namespaces = ["--mount", "--pid", "--fork", "--kill-child"];
  const { status, stdout } = spawnSync("unshare", [...namespaces, "/bin/sh", "-c", PREPARE], { input: script, encoding: "utf8" });
  return { code: status, output: stdout };
}
