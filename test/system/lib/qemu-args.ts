/** The command line of a virtual device: pure. */
import { type Accelerator, boardOf } from "./accelerator.ts";
import type { RootFs } from "./rootfs.ts";

/** Where the root disk is: a new overlay of the base (the default), an overlay of another disk, or a server of the NBD protocol. */
export type Disk = { readonly overlayOf: string } | { readonly file: string } | { readonly nbd: string; readonly export?: string };

export interface MachineOptions {
  /** MiB; default 512. */
  readonly memory?: number;
  /**
   * Default: an overlay of the root file system, thrown away afterwards. `file`: a qcow2 disk that is kept and written to.
   * `nbd`: the path of a Unix socket where a raw disk is served (`export`: its name, default none).
   */
  readonly disk?: Disk;
  /** true: fsync reaches the disk's server or file. Default false for files (quick, and the host does not lose power). Always so with NBD. */
  readonly durable?: boolean;
  /** A second disk, /dev/vdb: a raw file. */
  readonly secondDisk?: string;
  /** The real-time clock at the start: RFC 3339 without zone, such as "1970-01-01T00:00:10". Default: the host's. */
  readonly clock?: string;
  /** TCP ports of the device that the host reaches: port there -> port on 127.0.0.1. */
  readonly forward?: Readonly<Record<number, number>>;
  /** false: the cable is out at the start. */
  readonly link?: boolean;
  /** Processors; default 2. */
  readonly processors?: number;
  /** More words for the kernel's command line. */
  readonly kernelArgs?: readonly string[];
  /** "file" (default): the serial console is written to `console.log`. "stdio": a getty on this terminal. */
  readonly console?: "file" | "stdio";
}

export interface Sockets {
  readonly qmp: string;
  readonly channel: string;
  readonly consoleLog: string;
  /** A directory of the host that the device sees by 9p. */
  readonly share: string;
  /** The disk to use, when it is a file: qcow2. */
  readonly overlay: string | undefined;
}

export const DEVICE_MAC = "52:54:00:12:34:56";

export function qemuArgs(base: RootFs, accelerator: Accelerator, options: MachineOptions, at: Sockets): string[] {
  const arm = base.platform === "arm64";
  const interactive = options.console === "stdio";
  const kernel = [
    "root=/dev/vda",
    "rw",
    `console=${arm ? "ttyAMA0" : "ttyS0"}`,
    "quiet",
    "loglevel=4",
    // An emulated machine on a busy host may miss the ticks by which the kernel would judge its timer, and panic.
    ...(arm ? [] : ["no_timer_check"]),
    // What keeps one processor from leaking to another's programs costs an emulated one half its time: page tables change at each system call.
    ...(accelerator.kind === "tcg" ? ["mitigations=off", "nokaslr"] : []),
    // systemd 252 gives a slow machine's interface up for good when udev renames it while it is being configured ("Failed to configure DHCPv4").
    "net.ifnames=0",
    ...(interactive ? [] : ["systemd.getty_auto=0"]),
    ...(options.kernelArgs ?? []),
  ];
  const forward = Object.entries(options.forward ?? {}).map(([guest, host]) => `,hostfwd=tcp:127.0.0.1:${host}-:${guest}`);
  return [
    ...["-machine", boardOf(base.platform), ...accelerator.args],
    ...["-smp", String(options.processors ?? 2), "-m", String(options.memory ?? 512)],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-action", "reboot=shutdown"],
    ...["-kernel", base.kernel, "-initrd", base.initrd, "-append", kernel.join(" ")],
    ...["-rtc", `base=${options.clock ?? "utc"}`],
    ...["-object", "rng-random,id=rng0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng0"],
    ...rootDisk(options, at),
    ...(options.secondDisk === undefined
      ? []
      : disk("disk1", { driver: "file", filename: options.secondDisk }, "raw", options.durable === true)),
    ...["-netdev", `user,id=net0,ipv6=off${forward.join("")}`, "-device", `virtio-net-pci,netdev=net0,id=nic0,mac=${DEVICE_MAC},romfile=`],
    ...[
      "-chardev",
      interactive ? "stdio,id=con,signal=off,mux=on" : `file,id=con,path=${at.consoleLog},append=on`,
      "-serial",
      "chardev:con",
    ],
    ...["-device", "virtio-serial-pci,id=vser0"],
    ...["-chardev", `socket,id=chan,path=${at.channel},server=on,wait=off`, "-device", "virtserialport,chardev=chan,name=org.lightv.test"],
    ...["-virtfs", `local,id=share,path=${at.share},mount_tag=share,security_model=none,multidevs=remap`],
    ...["-qmp", `unix:${at.qmp},server=on,wait=off`],
  ];
}

function rootDisk(options: MachineOptions, at: Sockets): string[] {
  const wanted = options.disk;
  if (wanted !== undefined && "nbd" in wanted) {
    const server = {
      driver: "nbd",
      server: { type: "unix", path: wanted.nbd },
      ...(wanted.export === undefined ? {} : { export: wanted.export }),
    };
    return disk("disk0", server, "raw", true);
  }
  return disk("disk0", { driver: "file", filename: at.overlay }, "qcow2", options.durable === true);
}

/** A virtio disk with a volatile write cache, which the device has to flush as it does real ones. */
function disk(id: string, file: Readonly<Record<string, unknown>>, driver: "raw" | "qcow2", durable: boolean): string[] {
  const node = { driver, "node-name": id, discard: "unmap", cache: { direct: false, "no-flush": !durable }, file };
  return ["-blockdev", JSON.stringify(node), "-device", `virtio-blk-pci,drive=${id},id=${id}-dev,write-cache=on`];
}
