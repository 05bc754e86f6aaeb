/** `lightv` of an ordinary user: the whole life of his sandboxes, what they are kept from, and what he is told when something is missing. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { busyboxImageFile, imagesUnavailable } from "#test/lib/images.ts";
import { OrdinaryUser } from "#test/lib/ordinary-user.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("cli/rootless");

const GUEST = { "/etc/passwd": "root:x:0:0::/root:/bin/sh\nguest:x:1000:1000::/tmp:/bin/sh\n", "/etc/group": "root:x:0:\nguest:x:1000:\n" };

/** A user, and the path of an image that anybody may read. */
async function begin(t: TestContext): Promise<readonly [OrdinaryUser, string]> {
  const reason = OrdinaryUser.unavailable() ?? imagesUnavailable();
  if (reason !== undefined) t.skip(reason);
  const user = new OrdinaryUser();
  t.cleanup(() => user.close());
  const image = join(user.directory, "box.lv");
  await busyboxImageFile(image, { name: "box", files: GUEST });
  chmodSync(image, 0o644);
  return [user, image];
}

const inspected = async (user: OrdinaryUser, format: string, name: string) => user.ok("inspect", "-f", `{{${format}}}`, name);
const hostPid = async (user: OrdinaryUser, name: string) => Number(await inspected(user, ".State.Pid", name));
/** One column of a host's uid_map as numbers. */
const mapOf = (pid: number) =>
  readFileSync(`/proc/${pid}/uid_map`, "latin1")
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/ +/).map(Number));

test("the whole life of a sandbox, and nothing is left of it", async (t) => {
  const [user, image] = await begin(t);
  assert.is(await user.ok("run", "--rm", image, "echo", "hello"), "hello");
  assert.is((await user.lightv(["run", "--rm", image, "sh", "-c", "exit 7"])).code, 7);
  assert.is((await user.lightv(["run", "--rm", image, "/no/such"])).code, 127);
  assert.is((await user.lightv(["run", "--rm", "-i", image, "cat"], { input: "typed" })).stdout, "typed");
  await user.ok("run", "-d", "--name", "life", image, "sh", "-c", "echo started; echo wrong >&2; exec sleep 1000");
  assert.match(await user.ok("ps"), /life/);
  assert.is(await user.ok("exec", "-u", "guest", "life", "id", "-u"), "1000");
  await user.ok("exec", "life", "sh", "-c", "echo kept > /root/file");
  assert.match(await user.ok("top", "life"), /sleep 1000/);
  assert.match(await user.ok("stats", "--no-stream", "life"), /life/);
  const logs = await user.lightv(["logs", "life"]);
  assert.equal([logs.stdout, logs.stderr], ["started\n", "wrong\n"]);
  await user.ok("rename", "life", "other");
  await user.ok("stop", "-t", "0", "other");
  assert.is(await inspected(user, ".State.Status", "other"), "exited");
  await user.ok("start", "other");
  assert.is(await user.ok("exec", "other", "cat", "/root/file"), "kept");
  await user.ok("kill", "other");
  assert.is(await user.ok("wait", "other"), "137");
  await user.ok("rm", "other");
  await user.quiet();
  assert.equal(readdirSync(join(user.root, "sandboxes")), []);
  assert.equal(readdirSync(join(user.root, "names")), []);
  assert.equal(readdirSync(join(user.runtime, "lightv/sandboxes")), []);
});

test("its ids are the user's and his subordinate ones, and every wall stands", async (t) => {
  const [user, image] = await begin(t);
  await user.ok("run", "-d", "--name", "asroot", image, "sleep", "1000");
  await user.ok("run", "-d", "--name", "guest", "-u", "guest", image, "sleep", "1000");
  const [root, guest] = [await hostPid(user, "asroot"), await hostPid(user, "guest")];
  assert.equal(mapOf(root), [
    [0, user.uid, 1],
    [1, user.subordinate, 65_535],
  ]);
  const status = (pid: number, key: string) => new RegExp(`^${key}:\\t(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  assert.is(status(root, "Uid")?.split("\t")[0], String(user.uid));
  assert.is(status(guest, "Uid")?.split("\t")[0], String(user.subordinate + 999));
  assert.is(status(root, "Groups")?.trim(), "");
  assert.is(status(root, "NoNewPrivs"), "1");
  assert.is(status(root, "Seccomp"), "2");
  const sysAdmin = 1n << 21n;
  assert.is(BigInt(`0x${status(root, "CapEff")}`) & sysAdmin, 0n);
  for (const kind of ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]) {
    assert.is.not(readlinkSync(`/proc/${root}/ns/${kind}`), readlinkSync(`/proc/self/ns/${kind}`), kind);
  }
  // The engine's own namespace is not its: from inside, nobody has a right over the monitor's mounts.
  const monitor = Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${status(root, "PPid")}/status`, "latin1"))?.[1]);
  assert.is.not(readlinkSync(`/proc/${root}/ns/user`), readlinkSync(`/proc/${monitor}/ns/user`));
  assert.is.not(readlinkSync(`/proc/${monitor}/ns/user`), readlinkSync("/proc/self/ns/user"));
  const inside = async (script: string) => (await user.lightv(["exec", "asroot", "sh", "-c", script])).stdout;
  assert.is(await inside("ls /proc/acpi /proc/scsi 2>/dev/null | grep -v :"), "");
  assert.is(
    await inside("busybox mknod /tmp/disk b 8 0 2>/dev/null || busybox mount -t tmpfs none /tmp 2>/dev/null || echo refused"),
    "refused\n",
  );
  assert.is(await inside("echo 1 > /proc/sys/kernel/sysrq 2>/dev/null || echo refused"), "refused\n");
  assert.equal(JSON.parse(await user.ok("inspect", "-f", "{{json .HostConfig.IDMappings.UidMap}}", "asroot")), [
    `0:${user.uid}:1`,
    `1:${user.subordinate}:65535`,
  ]);
});

test("of the host it reaches what was mounted, with the user's own rights, and of the user nothing else", async (t) => {
  const [user, image] = await begin(t);
  const shared = user.own("shared");
  const secret = join(user.own("private"), "secret");
  writeFileSync(secret, "the user's", { mode: 0o600 });
  const roots = join(user.directory, "roots");
  writeFileSync(roots, "root's", { mode: 0o600 });
  const script = "echo new > /shared/byroot; touch /shared/byguest; busybox chown guest /shared/byguest";
  await user.ok("run", "--rm", "-v", `${shared}:/shared`, image, "sh", "-c", script);
  assert.is(statSync(join(shared, "byroot")).uid, user.uid);
  assert.is(statSync(join(shared, "byguest")).uid, user.subordinate + 999);
  const look = (path: string, ...mounts: string[]) =>
    user.lightv(["run", "--rm", ...mounts.flatMap((mount) => ["-v", mount]), image, "cat", path]);
  assert.match((await look(secret)).stderr, /No such file/);
  assert.match((await look(`/proc/1/root${secret}`)).stderr, /No such file|Permission denied/);
  assert.match((await look("/host/roots", `${user.directory}:/host:ro`)).stderr, /Permission denied/);
  assert.match((await look("/host/shadow", "/etc:/host:ro")).stderr, /Permission denied/);
  const readOnly = await user.lightv(["run", "--rm", "-v", `${shared}:/shared:ro`, image, "touch", "/shared/x"]);
  assert.match(readOnly.stderr, /Read-only file system/);
  // Nobody else gets at a setuid program that an image or a sandbox has left in the user's store.
  assert.is(lstatSync(user.root).mode & 0o777, 0o700);
});

test("a volume keeps its owners, and goes with what its users own", async (t) => {
  const [user, image] = await begin(t);
  const fill = "busybox mkdir /data/closed; touch /data/closed/file; busybox chown -R guest /data/closed; busybox chmod 700 /data/closed";
  await user.ok("run", "--rm", "-v", "data:/data", image, "sh", "-c", fill);
  assert.match(await user.ok("run", "--rm", "-v", "data:/data", image, "ls", "-ln", "/data"), /^drwx------ +\d+ 1000 +0 /m);
  await user.ok("run", "-d", "--name", "closed", image, "sh", "-c", `${fill.replaceAll("/data", "/tmp")}; exec sleep 1000`);
  await user.ok("rm", "-f", "closed");
  await user.quiet();
  assert.equal(readdirSync(join(user.root, "sandboxes")), []);
});

test("an image of his own: import, unpacked once for all that start at once, rmi removes the tree", async (t) => {
  const [user] = await begin(t);
  const tree = user.own("tree");
  for (const name of ["bin", "etc", "proc", "sys", "dev", "tmp"]) mkdirSync(join(tree, name));
  writeFileSync(join(tree, "bin/busybox"), readFileSync("/bin/busybox"), { mode: 0o755 });
  const packed = await user.run(["tar", "-C", tree, "--owner=root:0", "--group=games:60", "-cf", join(user.home, "box.tar"), "."]);
  assert.is(packed.code, 0, packed.stderr);
  await user.ok("import", "-q", "--change", 'CMD ["busybox", "true"]', join(user.home, "box.tar"), "mine");
  assert.match(await user.ok("images"), /^mine +latest/m);
  await user.ok("create", "--name", "user", "mine");
  await Promise.all([1, 2, 3, 4].map(() => user.ok("run", "--rm", "mine")));
  const unpacked = join(user.root, "unpacked");
  const [name, ...more] = readdirSync(unpacked);
  assert.equal(more, []);
  const file = statSync(join(unpacked, name ?? "", "bin/busybox"));
  assert.equal([file.uid, file.gid], [user.uid, user.subordinate + 59]);
  const inode = file.ino;
  await user.ok("start", "user");
  await user.ok("wait", "user");
  assert.is(statSync(join(unpacked, name ?? "", "bin/busybox")).ino, inode);
  const inUse = await user.lightv(["rmi", "mine"]);
  assert.match(inUse.stderr, /is in use by sandbox/);
  await user.ok("rm", "user");
  await user.quiet();
  await user.ok("rmi", "mine");
  assert.equal(readdirSync(unpacked), []);
});

test("what was unpacked from a file goes with system prune", async (t) => {
  const [user, image] = await begin(t);
  await user.ok("create", "--name", "keeps", image, "true");
  await user.ok("start", "keeps");
  await user.ok("wait", "keeps");
  assert.match(await user.ok("system", "prune", "-f"), /Removed sandbox/);
  assert.equal(readdirSync(join(user.root, "unpacked")), []);
});

test("a limit that nothing can enforce is refused, one that the image wishes is dropped and told", async (t) => {
  const [user, image] = await begin(t);
  const refused = await user.lightv(["run", "--rm", "-m", "64m", "--pids-limit", "20", image, "true"]);
  assert.is(refused.code, 125);
  assert.match(refused.stderr, /no cgroup with memory, pids is delegated to you/);
  await user.ok("run", "-d", "--name", "free", image, "sleep", "1000");
  const changed = await user.lightv(["update", "-m", "64m", "free"]);
  assert.match(changed.stderr, /you have no cgroup with the controller "memory"/);
  const resized = await user.lightv(["update", "--shm-size", "8m", "free"]);
  assert.match(resized.stderr, /only root changes a tmpfs of a running sandbox/);
  const paused = await user.lightv(["pause", "free"]);
  assert.match(paused.stderr, /no cgroup that freezes is delegated to you/);
  const missing = await user.ok("info", "-f", "{{.Rootless}} {{.Missing}}");
  assert.match(missing, /^true \[limits that need the cgroup controllers cpu, cpuset, io, memory, pids\]$/);
});

test("in cgroups that were delegated to him limits hold, for exec too, and none is left", async (t) => {
  const [user, image] = await begin(t);
  const hierarchies = ["memory", "pids", "unified"].map((name) => join("/sys/fs/cgroup", name));
  if (!hierarchies.every((path) => existsSync(path))) t.skip("needs a hybrid machine; v2's rules are in the native tests");
  const cgroup = `/lightv-user-${process.pid}`;
  for (const hierarchy of hierarchies) {
    const group = hierarchy + cgroup;
    mkdirSync(group);
    t.cleanup(() => removeGroups(group));
    const files = ["cgroup.procs", "tasks", "cgroup.subtree_control"].map((name) => join(group, name)).filter((path) => existsSync(path));
    for (const path of [group, ...files]) chownSync(path, user.uid, user.uid);
  }
  const options = { cgroup };
  const script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes; for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done";
  const held = await user.lightv(["run", "--rm", "-m", "64m", "--pids-limit", "6", image, "sh", "-c", script], options);
  assert.is(held.stdout, "67108864\n");
  assert.match(held.stderr, /can't fork/);
  const made = await user.lightv(["run", "-d", "--name", "held", "--pids-limit", "20", image, "sleep", "1000"], options);
  assert.is(made.code, 0, made.stderr);
  const execed = await user.lightv(["exec", "held", "sh", "-c", "sleep 1 & busybox cat /sys/fs/cgroup/pids/pids.current"], options);
  assert.ok(Number(execed.stdout) >= 4, `pids.current with PID 1, the program, and what exec has started: ${execed.stdout}`);
  assert.is((await user.lightv(["pause", "held"], options)).code, 0);
  assert.is((await user.lightv(["unpause", "held"], options)).code, 0);
  assert.match((await user.lightv(["stats", "--no-stream", "held"], options)).stdout, /held .*MiB|held .*KiB/);
  await user.lightv(["rm", "-f", "held"], options);
  await user.quiet();
  for (const hierarchy of hierarchies) assert.equal(directories(join(hierarchy + cgroup, "lightv")), ["monitors"]);
});

function directories(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

function removeGroups(group: string): void {
  for (const name of directories(group)) removeGroups(join(group, name));
  rmdirSync(group);
}

test("networks: none of its own by default, the host's without rights over it, no others", async (t) => {
  const [user, image] = await begin(t);
  await user.ok("run", "-d", "--name", "host", "--network", "host", image, "sleep", "1000");
  assert.is(readlinkSync(`/proc/${await hostPid(user, "host")}/ns/net`), readlinkSync("/proc/self/ns/net"));
  const low = await user.lightv(["exec", "host", "busybox", "httpd", "-f", "-p", "127.0.0.1:81"]);
  assert.match(low.stderr, /Permission denied/);
  assert.match(await user.ok("exec", "host", "ls", "/sys/class/net"), /^lo$/m);
  assert.is(await user.ok("run", "--rm", image, "ls", "/sys/class/net"), "lo");
  assert.match((await user.lightv(["run", "--network", "bridge", image, "true"])).stderr, /none or host/);
});

test("--privileged has all rights over its own namespace, none over the host; --userns host is for root", async (t) => {
  const [user, image] = await begin(t);
  const script =
    "busybox mount -t tmpfs none /tmp && echo mounted; echo 1 > /proc/sys/kernel/sysrq || busybox mknod /disk b 8 0 || echo refused";
  const ran = await user.lightv(["run", "--rm", "--privileged", image, "sh", "-c", script]);
  assert.is(ran.stdout, "mounted\nrefused\n");
  assert.match((await user.lightv(["run", "--userns", "host", image, "true"])).stderr, /--userns host is for root/);
  assert.match((await user.lightv(["run", "--storage-opt", "size=64m", image, "true"])).stderr, /is for root: it takes a loop device/);
  assert.match((await user.lightv(["runtime", "serve"])).stderr, /for root only/);
  await user.ok("run", "--rm", "--userns", "auto", "--read-only", "--device", "/dev/null", image, "true");
});

test("a terminal is the sandbox's own", async (t) => {
  const [user, image] = await begin(t);
  const ran = await user.run([
    "script",
    "-qec",
    `${user.binary} run --rm -it ${image} sh -c 'busybox tty; ls -ln /dev/console'`,
    "/dev/null",
  ]);
  assert.match(ran.stdout, /\/dev\/pts\/0\r\ncrw--w---- +1 0 +5 /);
});

test("a sandbox whose monitor is killed ends, and can be removed", async (t) => {
  const [user, image] = await begin(t);
  await user.ok("run", "-d", "--name", "lost", image, "sh", "-c", "touch /tmp/x; busybox chown guest /tmp/x; exec sleep 1000");
  await user.ok("run", "-d", "--rm", "--name", "gone", image, "sleep", "1000");
  for (const name of ["lost", "gone"]) {
    const init = /^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${await hostPid(user, name)}/status`, "latin1"))?.[1];
    const monitor = /^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${init}/status`, "latin1"))?.[1];
    process.kill(Number(monitor), "SIGKILL");
  }
  await user.quiet();
  assert.match(await user.ok("ps", "-a"), /Exited \(137\).*lost/);
  await user.ok("rm", "lost");
  assert.equal(readdirSync(join(user.root, "sandboxes")), []);
});

test("who has no helper or no ids is told what to do, and nothing is left", async (t) => {
  const [user, image] = await begin(t);
  const attempt = async (env: Record<string, string> = {}) => {
    const ran = await user.lightv(["run", "--rm", image, "true"], { env });
    assert.is(ran.code, 125);
    return ran.stderr;
  };
  assert.match(await attempt({ PATH: "/nowhere" }), /newuidmap is not installed \(as root: apt-get install uidmap/);
  user.account("somebody:1600000000:65536\n");
  assert.match(await attempt(), /\/etc\/subuid gives no ids to tester \(as root: usermod --add-subuids/);
  assert.match(await user.ok("info"), /Missing: +user namespace: \/etc\/subuid gives no ids to tester/);
  // One who has a few is told which of the image's files has no owner then.
  user.account(`${user.uid}:${user.subordinate}:10\n`);
  const tar = join(user.home, "far.tar");
  const packed = await user.run(["sh", "-c", `cd ${user.home} && touch file && tar --owner=far:500 -cf ${tar} file`]);
  assert.is(packed.code, 0, packed.stderr);
  await user.ok("import", "-q", "--change", 'CMD ["/file"]', tar, "far");
  const beyond = await user.lightv(["run", "--rm", "far"]);
  assert.match(beyond.stderr, /chown: \/file: .*beyond those that \/etc\/subuid and \/etc\/subgid give you/);
  await user.quiet();
  assert.equal(readdirSync(join(user.root, "sandboxes")), []);
  assert.equal(readdirSync(join(user.root, "unpacked")), []);
});

test("roots are the user's alone, or he is told", async (t) => {
  const [user, image] = await begin(t);
  const refused = async (args: readonly string[], env: Record<string, string> = {}) => {
    const ran = await user.lightv([...args, "ps"], { env });
    assert.is(ran.code, 125);
    return ran.stderr;
  };
  assert.match(await refused([], { XDG_RUNTIME_DIR: "" }), /XDG_RUNTIME_DIR is not set/);
  assert.match(await refused([], { XDG_RUNTIME_DIR: "/tmp" }), /\/tmp belongs to user 0/);
  const open = user.own("open");
  chmodSync(open, 0o755);
  assert.match(await refused(["--root", open]), /is open to others \(chmod 700/);
  assert.match((await user.lightv(["version"], { env: { XDG_RUNTIME_DIR: "" } })).stdout, /Version/);
  const elsewhere = { XDG_DATA_HOME: user.own("data") };
  const ran = await user.lightv(["run", "--rm", image, "echo", "there"], { env: elsewhere });
  assert.is(ran.stdout, "there\n");
  assert.ok(existsSync(join(elsewhere.XDG_DATA_HOME, "lightv/unpacked")));
});
