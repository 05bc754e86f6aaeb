/** The command line of `npm run package`. */
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { parseOptions } from "../../../cross-build/package/options.ts";

const test = suite("cross-build/options");
const parse = (...args: string[]) => parseOptions(args, "1.2.3");
const architectures = (...args: string[]) => parse(...args).targets.map(({ architecture }) => architecture);

test("without flags all platforms get packages of the project's version", () => {
  const { mode, version, quick, withNode, signKey } = parse();
  assert.equal(
    { mode, version, quick, withNode, signKey },
    { mode: "packages", version: "1.2.3", quick: false, withNode: false, signKey: undefined },
  );
  assert.equal(architectures(), ["amd64", "arm64"]);
});

test("--arch chooses, in any form and order", () => {
  assert.equal(architectures("--arch", "arm64"), ["arm64"]);
  assert.equal(architectures("--arch=arm64", "--arch", "amd64"), ["amd64", "arm64"]);
});

test("what is wrong is said with what there is", () => {
  assert.throws(() => parse("--arch", "mips"), /no architecture "mips": amd64, arm64/);
  assert.throws(() => parse("--arch"), /--arch needs a value/);
  assert.throws(() => parse("--sign-key="), /--sign-key needs a value/);
  assert.throws(() => parse("--fast"), /"--fast" is no option/);
  assert.throws(() => parse("--quick=yes"), /"--quick=yes" is no option/);
});

test("a version is one that Debian and semver take", () => {
  assert.is(parse("--version", "1.2.3~rc1").version, "1.2.3~rc1");
  for (const bad of ["v1", "1/2", "../1", "1 2", "1\n2"]) assert.throws(() => parse("--version", bad), /is no version/, bad);
});

test("targets and help are words among the flags", () => {
  assert.is(parse("tests", "--arch", "amd64").mode, "tests");
  assert.is(parse("--help").mode, "help");
});
