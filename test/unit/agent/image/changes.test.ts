import * as assert from "uvu/assert";
import { applyChanges } from "#agent/image/changes.ts";
import { normalizeImageName } from "#agent/image/name.ts";
import { parsePlatform } from "#agent/image/platform.ts";
import { isLightvError } from "#agent/lib/errors.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/image/changes");

function isUsage(work: () => unknown, pattern: RegExp): void {
  try {
    work();
  } catch (error) {
    assert.ok(isLightvError(error, "LV_USAGE"), String(error));
    assert.match((error as Error).message, pattern);
    return;
  }
  assert.unreachable(`nothing was thrown for ${pattern}`);
}

test("instructions do what they do in a Dockerfile, in exec and in shell form", () => {
  const config = applyChanges({}, [
    'ENTRYPOINT ["/bin/server", "a b"]',
    "CMD echo $HOME",
    'env A=1 B="2 3" C=a\\ b',
    "ENV OLD form of it",
    "ENV A=9",
    "EXPOSE 80 53/udp 8000-8001",
    "LABEL a.b=c",
    'VOLUME ["/data", "/logs"]',
    "VOLUME /more",
    "WORKDIR /srv",
    "WORKDIR app",
    "USER 1000:1000",
    "STOPSIGNAL SIGTERM",
    "HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD wget -q localhost",
  ]);
  assert.equal(config, {
    Entrypoint: ["/bin/server", "a b"],
    Cmd: ["/bin/sh", "-c", "echo $HOME"],
    Env: ["B=2 3", "C=a b", "OLD=form of it", "A=9"],
    ExposedPorts: { "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {} },
    Labels: { "a.b": "c" },
    Volumes: { "/data": {}, "/logs": {}, "/more": {} },
    WorkingDir: "/srv/app",
    User: "1000:1000",
    StopSignal: "SIGTERM",
    Healthcheck: { Interval: 90e9, Timeout: 500e6, Retries: 3, Test: ["CMD-SHELL", "wget -q localhost"] },
  });
  assert.equal(applyChanges({}, ["HEALTHCHECK NONE"]).Healthcheck, { Test: ["NONE"] });
});

test("a wrong instruction is named", () => {
  for (const [change, pattern] of [
    ["RUN x", /RUN is no instruction/],
    ["ONBUILD RUN x", /ONBUILD/],
    ["constructor x", /constructor/],
    ["CMD", /CMD needs a value/],
    ["", /nothing/],
    ["EXPOSE 70000", /70000/],
    ["ENV =x", /KEY=VALUE/],
    ['LABEL a="b', /no partner/],
    ["VOLUME data", /absolute/],
    ["HEALTHCHECK --interval=5 CMD x", /duration/],
    ["HEALTHCHECK x", /NONE, or CMD/],
    ["USER a b", /exactly one/],
  ] as const)
    isUsage(() => applyChanges({}, [change]), pattern);
});

test("names follow Docker's rules", () => {
  assert.is(normalizeImageName("a"), "a:latest");
  assert.is(normalizeImageName("shop.example:5000/team/app:1.2"), "shop.example:5000/team/app:1.2");
  for (const name of ["", "A", "a:", "a/", "/a", "a:-x", "../a", "a b", "a//b", `a:${"x".repeat(129)}`, "a".repeat(256), "a@sha256:0"])
    isUsage(() => normalizeImageName(name), /is not a name/);
});

test("platforms are named in Go's words, with the usual synonyms", () => {
  assert.equal(parsePlatform("linux/arm/v7"), { os: "linux", architecture: "arm", variant: "v7" });
  assert.equal(parsePlatform("x86_64"), { os: "linux", architecture: "amd64" });
  isUsage(() => parsePlatform("windows/amd64"), /windows/);
});
