/** One pair of roots with a busybox image called `box`, for the tests of one file. */
import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Box, type Ran, run, TOP } from "#test/lib/command.ts";
import { PATIENCE } from "#test/lib/patience.ts";
import type { TestContext } from "#test/lib/suite.ts";

const BUSYBOX = "/bin/busybox";
const APPLETS = ["sh", "sleep", "cat", "echo", "ls", "stty", "ps", "true", "env", "id", "tty", "kill", "pwd", "hostname", "head"];

export class CliFixture {
  readonly box = new Box();

  unavailable(): string | undefined {
    return Box.unavailable() ?? (existsSync(BUSYBOX) ? undefined : `${BUSYBOX} is missing: apt-get install busybox-static`);
  }

  /** Skips the test when nothing real can run here. */
  need(t: TestContext): void {
    const reason = this.unavailable();
    if (reason !== undefined) t.skip(reason);
  }

  async start(): Promise<void> {
    if (this.unavailable() !== undefined) return;
    const tree = join(this.box.directory, "tree");
    for (const directory of ["bin", "etc", "tmp", "proc", "sys", "dev"]) mkdirSync(join(tree, directory), { recursive: true });
    copyFileSync(BUSYBOX, join(tree, "bin/busybox"));
    for (const applet of APPLETS) symlinkSync("busybox", join(tree, "bin", applet));
    for (const file of ["hostname", "hosts", "resolv.conf"]) writeFileSync(join(tree, "etc", file), "");
    writeFileSync(join(tree, "etc/passwd"), "root:x:0:0::/:/bin/sh\nguest:x:1000:1000::/tmp:/bin/sh\n");
    writeFileSync(join(tree, "etc/group"), "root:x:0:\nguest:x:1000:\n");
    writeFileSync(join(tree, "inside"), "the image's own file\n");
    const changes = ["--change", 'CMD ["sh"]', "--change", "ENV PATH=/bin FROM_IMAGE=yes"];
    // The sources where they are; a device has the installed command alone.
    const main = join(TOP, "agent/cli/main.ts");
    const [command, ...first]: [string, ...string[]] = existsSync(main) ? [process.execPath, main] : [this.box.binary];
    const made = await run(command, [...first, "import", ...changes, tree, "box"], { env: this.box.env });
    if (made.code !== 0) throw new Error(`import failed: ${made.stderr}`);
  }

  async stop(): Promise<void> {
    await this.box.close();
  }

  /**
   * Runs a command line in a terminal of its own (script(1)) of 33 lines and 101 columns, and types each text once what it waits for
   * was shown. Gives all that was shown, and the exit code.
   */
  async inTerminal(commandLine: string, script: readonly { readonly after: RegExp; readonly type: string }[]): Promise<Ran> {
    const { spawn } = await import("node:child_process");
    const child = spawn("script", ["-qec", `stty rows 33 cols 101; exec ${this.box.binary} ${commandLine}`, "/dev/null"], {
      env: { ...process.env, ...this.box.env },
      stdio: ["pipe", "pipe", "inherit"],
      timeout: 30_000 * PATIENCE,
      killSignal: "SIGKILL",
    });
    let stdout = "";
    let from = 0;
    const steps = [...script];
    child.stdout.on("data", (data) => {
      stdout += data;
      const step = steps[0];
      if (step === undefined || !step.after.test(stdout.slice(from))) return;
      from = stdout.length;
      steps.shift();
      child.stdin.write(step.type);
    });
    child.stdin.on("error", () => {});
    const code = await new Promise<number>((resolve) => child.on("close", (number) => resolve(number ?? 255)));
    return { code, stdout, stderr: "" };
  }

  /** Waits until `check` holds; fails after a generous time. */
  async until(what: string, check: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + 15_000 * PATIENCE;
    while (!(await check())) {
      if (Date.now() > end) throw new Error(`not so in time: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
