/** A program in a device as a service of its own: in a cgroup that is handed down whole, and ended with it. */

/** The command line of systemd-run(1) before the program's. `seconds`: the unit is ended after so long, whatever its program does. */
export function asService(environment: Readonly<Record<string, string | number>>, seconds: number): string {
  const properties = ["Delegate=yes", "KillMode=mixed", "TasksMax=infinity", `RuntimeMaxSec=${seconds}`];
  return [
    "systemd-run --quiet --wait --pipe --collect",
    ...properties.map((property) => `-p ${property}`),
    ...Object.entries(environment).map(([name, value]) => `-E ${name}=${value}`),
  ].join(" ");
}

/** Prints what sandboxes have left behind: loop devices, mounts, directories of tests. */
export const LEFT_BEHIND = "losetup -a; mount | grep -e erofs -e lightv-box || true; ls -d /tmp/lightv-* 2>/dev/null || true";
