/** From --security-opt and --sysctl to an app. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { securityOf } from "#fleet/cli/security-flags.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/cli security flags");
const directory = mkdtempSync(join(tmpdir(), "lightv-security-"));
test.after(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
}

const of = (securityOpt: string[], sysctl: string[] = [], base = {}) => securityOf({ securityOpt, sysctl }, base);

test("nothing said leaves what a file says, and one option changes that one", async () => {
  assert.is(await securityOf({ securityOpt: [], sysctl: [] }), undefined);
  const base = { apparmor: "mine", sysctls: { "net.a": "1" } };
  assert.equal(await of([], [], base), base);
  assert.equal(await of(["seccomp=unconfined"], ["net.b=2"], base), {
    apparmor: "mine",
    seccomp: "unconfined",
    sysctls: { "net.a": "1", "net.b": "2" },
  });
  assert.equal(await of(["apparmor:unconfined"], [], base), { ...base, apparmor: "unconfined" });
});

test("a filter's file is read and sent without its white space", async () => {
  const good = file("good.json", '{\n  "defaultAction": "SCMP_ACT_ERRNO"\n}\n');
  assert.is((await of([`seccomp=${good}`]))?.seccomp, '{"defaultAction":"SCMP_ACT_ERRNO"}');
});

const refused = async (options: string[], why: RegExp): Promise<void> => {
  const error = await of(options).then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  assert.match(String(error), why);
};

test("what is missing, no profile or too long is told with the file's name", async () => {
  await refused([`seccomp=${join(directory, "none.json")}`], /none\.json: .*ENOENT/);
  await refused([`seccomp=${file("half.json", '{"defaultAction":')}`], /half\.json: .*JSON/);
  await refused([`seccomp=${file("list.json", "[]")}`], /list\.json: it has no defaultAction/);
  const long = JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", comment: "x".repeat(60_000) });
  await refused([`seccomp=${file("long.json", long)}`], /long\.json: it has 600\d\d bytes/);
  await refused(["apparmor=two words"], /must be seccomp=FILE\|unconfined or apparmor=PROFILE\|unconfined/);
  await refused(["label=disable"], /--security-opt label=disable: must be/);
});
