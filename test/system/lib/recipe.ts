/** What a virtual device's root file system is made of: the same for every scenario, and all that its cache's name depends on. */
import { createHash } from "node:crypto";
import { globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export type Platform = "amd64" | "arm64";
export const PLATFORMS: readonly Platform[] = ["amd64", "arm64"];

export const SUITE = "bookworm";

/** What a small device has, with what Node is linked against; and what tests make images from, here (busybox) and there (erofs-utils). */
export const packages = (platform: Platform): readonly string[] => [
  "systemd-sysv",
  "udev",
  "dbus",
  "kmod",
  "apparmor",
  "iproute2",
  "e2fsprogs",
  "ca-certificates",
  "libstdc++6",
  "libatomic1",
  "busybox-static",
  "erofs-utils",
  "initramfs-tools",
  `linux-image-${platform}`,
];

/**
 * dpkg's path filters. Documents and languages are left out, and of the drivers all that no virtual machine has: 400 MB less to write
 * and to boot from. `net`, `fs`, `lib` and `crypto` of the kernel stay whole, so that it can do what Debian's kernel can.
 */
export const DPKG_OPTIONS: readonly string[] = [
  ...["doc", "man", "locale", "i18n", "info"].map((name) => `path-exclude=/usr/share/${name}/*`),
  "path-exclude=/lib/modules/*/kernel/drivers/*",
  "path-exclude=/lib/modules/*/kernel/sound/*",
  ...["acpi", "block", "char", "gpio", "md", "rtc", "virtio", "watchdog"].map((n) => `path-include=/lib/modules/*/kernel/drivers/${n}/*`),
  ...[
    "net/virtio_net.ko",
    "net/net_failover.ko",
    "net/veth.ko",
    "net/tun.ko",
    "net/dummy.ko",
    "input/keyboard/gpio_keys.ko",
    "input/evdev.ko",
  ].map((n) => `path-include=/lib/modules/*/kernel/drivers/${n}`),
];

/** Units that are started at boot. */
export const ENABLED: readonly string[] = ["test-channel.service", "systemd-networkd.service"];

/** Units that would only blur what is measured, or wait for what is not there. */
export const MASKED: readonly string[] = [
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "dpkg-db-backup.timer",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "fstrim.timer",
  "getty@tty1.service",
  "systemd-networkd-wait-online.service",
];

/** Size of the root disk, as far as the device sees it; on the host it is sparse. */
export const DISK_BYTES = 2 * 1024 ** 3;

/** Names the packages' layer: they take minutes. */
export function packagesKey(platform: Platform, guest: string): string {
  return digest({ platform, suite: SUITE, packages: packages(platform), dpkg: DPKG_OPTIONS, files: contents(join(guest, "before")) });
}

/** Names the whole disk. */
export function diskKey(platform: Platform, guest: string): string {
  const files = contents(join(guest, "after"));
  return digest({ base: packagesKey(platform, guest), ENABLED, MASKED, DISK_BYTES, files });
}

function contents(directory: string): string[][] {
  return globSync("**/*", { cwd: directory })
    .sort()
    .filter((name) => statSync(join(directory, name)).isFile())
    .map((name) => [name, readFileSync(join(directory, name), "utf8")]);
}

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
}
