/** The inventory of boards of several kinds, as the kernel's files tell it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Value } from "typebox/value";
import * as assert from "uvu/assert";
import { osName, readInventory } from "#agent/reporter/inventory.ts";
import { Inventory } from "#agent/wire/protocol/reported.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/reporter/inventory");

function system(t: TestContext, files: Readonly<Record<string, string>>): string {
  const top = mkdtempSync(join(tmpdir(), "lightv-inventory-"));
  t.cleanup(() => rmSync(top, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(top, path)), { recursive: true });
    writeFileSync(join(top, path), content);
  }
  return top;
}

test("a board with a device tree: the name and serial number without their NUL", async (t) => {
  const top = system(t, {
    "etc/os-release": 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "sys/firmware/devicetree/base/serial-number": "10000000abcdef01\0",
  });
  const { model, serial, os } = await readInventory("/", top);
  assert.equal(
    { model, serial, os },
    { model: "Raspberry Pi 4 Model B Rev 1.4", serial: "10000000abcdef01", os: "Debian GNU/Linux 12 (bookworm)" },
  );
});

test("a board with DMI: vendor and product, what only fills the field is left out", async (t) => {
  const dmi = "sys/class/dmi/id";
  const files = {
    [`${dmi}/sys_vendor`]: "ACME\n",
    [`${dmi}/product_name`]: "Box 3\n",
    [`${dmi}/product_serial`]: "To Be Filled By O.E.M.\n",
  };
  const named = await readInventory("/", system(t, files));
  assert.equal([named.model, named.serial], ["ACME Box 3", undefined]);
  const twice = await readInventory("/", system(t, { ...files, [`${dmi}/product_name`]: "ACME Box 3\n" }));
  assert.is(twice.model, "ACME Box 3");
});

test("a system that tells nothing still has an inventory, and it is one by the protocol", async (t) => {
  const inventory = await readInventory("/", system(t, {}));
  assert.equal([inventory.os, inventory.model, inventory.serial], ["", undefined, undefined]);
  assert.ok(inventory.cores > 0 && inventory.memoryBytes > 0 && inventory.diskBytes > 0);
  assert.ok(inventory.network.some(({ name, addresses }) => name === "lo" && addresses.includes("127.0.0.1")));
  assert.ok(Value.Check(Inventory, inventory));
});

test("a name of any length and content fits the protocol", async (t) => {
  const top = system(t, {
    "etc/os-release": `PRETTY_NAME="${"x".repeat(5000)}"\n`,
    "sys/firmware/devicetree/base/model": "m".repeat(5000),
    "sys/class/dmi/id/sys_vendor": "v".repeat(5000),
  });
  assert.ok(Value.Check(Inventory, await readInventory("/", top)));
});

test("os-release: quotes of both kinds or none, escapes, and NAME where there is no PRETTY_NAME", () => {
  assert.is(osName("PRETTY_NAME='Alpine Linux v3.20'\n"), "Alpine Linux v3.20");
  assert.is(osName("ID=x\nPRETTY_NAME=Buildroot\n"), "Buildroot");
  assert.is(osName('PRETTY_NAME="The \\"Box\\""'), 'The "Box"');
  assert.is(osName("NAME=Yocto\n"), "Yocto");
  assert.is(osName(""), "");
});

test("a root that is gone is an error that names it", async () => {
  try {
    await readInventory("/nowhere/at/all");
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), /ENOENT.*\/nowhere\/at\/all/);
  }
});
