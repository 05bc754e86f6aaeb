/**
 * A user of the machine who is there for one test alone: passwd, subuid and subgid that name him are bound over the machine's in a mount
 * namespace of each command's own, so that nothing of the machine changes.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Box, DIST, type Ran, run } from "./command.ts";

const HELPERS = ["newuidmap", "newgidmap"].map((name) => `/usr/bin/${name}`);

/** In its place each word is an argument: $0 the directory, $1 the user's id, $2 a cgroup to be in or "". */
const ENTER = `set -e
for file in passwd subuid subgid; do mount --bind "$0/accounts/$file" "/etc/$file"; done
mount --bind "$DIST" "$0/usr"
if [ -n "$2" ]; then for group in /sys/fs/cgroup/*"$2"; do echo $$ > "$group/cgroup.procs"; done; fi
id=$1
shift 2
cd /
exec setpriv --reuid "$id" --regid "$id" --clear-groups --inh-caps=-all "$@"`;

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** A group that was delegated to him, below each hierarchy that has it. */
  readonly cgroup?: string;
}

export class OrdinaryUser {
  readonly directory = mkdtempSync(join(tmpdir(), "lightv-user-"));
  readonly home = join(this.directory, "home");
  readonly runtime = join(this.directory, "runtime");
  /** LightV as it is installed for him. */
  readonly binary = join(this.directory, "usr/bin/lightv");
  readonly root = join(this.home, ".local/share/lightv");
  readonly uid: number;
  /** The first of his 65,536 subordinate ids: inside 1 is this one. */
  readonly subordinate = 1_600_000_000;

  constructor(uid = 48_123) {
    this.uid = uid;
    chmodSync(this.directory, 0o755);
    for (const name of ["accounts", "usr", "home", "runtime"]) mkdirSync(join(this.directory, name), { mode: 0o755 });
    for (const path of [this.home, this.runtime]) {
      chmodSync(path, 0o700);
      chownSync(path, uid, uid);
    }
    this.account(`tester:${this.subordinate}:65536\n`);
  }

  static unavailable(): string | undefined {
    const missing = HELPERS.find((path) => !existsSync(path));
    return Box.unavailable() ?? (missing === undefined ? undefined : `${missing} is missing: apt-get install uidmap`);
  }

  /** What subuid and subgid give to whom. */
  account(grants: string): void {
    const accounts = join(this.directory, "accounts");
    const passwd = `${readFileSync("/etc/passwd", "utf8")}tester:x:${this.uid}:${this.uid}::${this.home}:/bin/sh\n`;
    writeFileSync(join(accounts, "passwd"), passwd);
    for (const file of ["subuid", "subgid"]) writeFileSync(join(accounts, file), grants);
  }

  /** A directory of his own. */
  own(name: string): string {
    const path = join(this.home, name);
    mkdirSync(path, { recursive: true });
    chownSync(path, this.uid, this.uid);
    return path;
  }

  /** Any program as him. */
  run(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const env: NodeJS.ProcessEnv = {
      PATH: "/usr/bin:/bin:/usr/sbin:/sbin",
      HOME: this.home,
      XDG_RUNTIME_DIR: this.runtime,
      ...options.env,
    };
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const enter = ["-m", "--propagation", "private", "sh", "-c", ENTER, this.directory, String(this.uid), options.cgroup ?? ""];
    return run("unshare", [...enter, "env", "-i", ...settings, ...words], {
      env: { DIST },
      ...(options.input === undefined ? {} : { input: options.input }),
    });
  }

  lightv(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return this.run([this.binary, ...args], options);
  }

  /** The same, and an error when it fails or warns. Gives stdout without the last line's end. */
  async ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.lightv(args);
    if (code !== 0 || stderr !== "") throw new Error(`lightv ${args.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
    return stdout.replace(/\n$/, "");
  }

  /** Processes with his id, or one of his subordinate ones. */
  processes(): number[] {
    const isHis = (id: number) => id === this.uid || (id >= this.subordinate && id < this.subordinate + 65_536);
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => {
        try {
          const uid = /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
          return uid !== undefined && isHis(Number(uid));
        } catch {
          return false;
        }
      });
  }

  /** Removes his sandboxes, waits until nothing of his runs, and goes. */
  async close(): Promise<void> {
    this.account(`tester:${this.subordinate}:65536\n`);
    const { stdout } = await this.lightv(["ps", "-aq", "--no-trunc"]);
    const ids = stdout.split("\n").filter((id) => id !== "");
    if (ids.length > 0) await this.lightv(["rm", "-f", ...ids]);
    await this.quiet();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  /** A sandbox with --rm may still be going when its command has ended. */
  async quiet(): Promise<void> {
    const end = Date.now() + 10_000;
    while (this.processes().length > 0) {
      if (Date.now() > end) throw new Error(`still there after 10 s: pids ${this.processes().join(" ")}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
