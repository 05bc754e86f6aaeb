/** The inventory of boards of several kinds, as the kernel's files tell it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Value } from "typebox/value";
import * as assert from "uvu/assert";
import { countCpus, cpuModel, listed, osName, readInventory } from "#agent/reporter/inventory.ts";
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
  const inventory = await readInventory("/nowhere/at/all", system(t, {}));
  const { os, cpu, cores, model, serial, diskBytes } = inventory;
  assert.equal([os, cpu, cores, model, serial, diskBytes], ["", "", 0, undefined, undefined, 0]);
  assert.ok(Value.Check(Inventory, inventory));
});

test("this machine's, by the protocol", async () => {
  const inventory = await readInventory("/");
  assert.ok(inventory.cores > 0 && inventory.memoryBytes > 0 && inventory.diskBytes > 0 && inventory.os !== "");
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

test("processors: the model where the kernel names one, and how many are there", () => {
  assert.is(cpuModel("processor\t: 0\nmodel name\t: Z80 at 4 MHz\nflags\t: x\n", ""), "Z80 at 4 MHz");
  assert.is(cpuModel("processor\t: 0\nCPU part\t: 0xd08\n", "arm,cortex-a72\0arm,armv8\0"), "arm,cortex-a72");
  assert.is(cpuModel("processor\t: 0\nCPU part\t: 0xd08\n", ""), "");
  assert.equal(["0", "0-3", "0-1,4,6-7\n", "", "nonsense"].map(countCpus), [1, 4, 5, 0, 0]);
});

test("placeholders of boards are no names", async (t) => {
  for (const nothing of ["System manufacturer", "To be filled by O.E.M", "Default string", "None", "-"]) {
    const { model, serial } = await readInventory(
      "/",
      system(t, { "sys/class/dmi/id/sys_vendor": nothing, "sys/class/dmi/id/product_serial": nothing }),
    );
    assert.equal([model, serial], [undefined, undefined], nothing);
  }
});

test("interfaces: as many as a report has room for, also one without an address", () => {
  const one = { address: "192.0.2.1", netmask: "", family: "IPv4", mac: "", internal: false, cidr: null } as const;
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`eth${i}`, Array.from({ length: 20 }, () => one)]));
  const network = listed(many);
  assert.equal([network.length, network[0]?.addresses.length], [32, 16]);
  assert.equal(listed({ lo: undefined, eth0: [] }), [
    { name: "lo", addresses: [] },
    { name: "eth0", addresses: [] },
  ]);
});
