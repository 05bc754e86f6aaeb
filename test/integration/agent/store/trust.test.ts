/** Images over TLS: the device's CA and pin hold for them as they do for the broker. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { openRange } from "#agent/store/http.ts";
import { Authority } from "#test/lib/certificates.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/store/trust");

test("a pin goes for the certificate instead of its name; another pin, another CA and no trust at all are refused with advice", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "lightv-trust-"));
  t.cleanup(() => rmSync(directory, { recursive: true, force: true }));
  const [authority, other] = [new Authority(directory, "ca"), new Authority(directory, "other")];
  const { cert, key, pin } = authority.issue("server", "DNS:elsewhere.example");
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (_request, response) => {
    response.writeHead(206, { "content-range": "bytes 0-0/1" }).end("x");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.cleanup(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const url = `https://127.0.0.1:${(server.address() as { port: number }).port}/`;
  const fetched = (ca: string | undefined, fingerprint: string | undefined): Promise<string> =>
    openRange({ url, headers: {}, trust: { ca, pin: fingerprint }, start: 0, end: 0, signal: t.signal, idleMs: 5000 }).then(
      ({ body }) => {
        body.destroy();
        return "fetched";
      },
      (error: unknown) => String(error),
    );
  const hex = pin.slice("sha256:".length);
  assert.match(await fetched(other.pem, hex), /certificate.*ca-file must hold the CA/);
  assert.match(await fetched(undefined, undefined), /certificate.*ca-file must hold the CA/);
  assert.match(await fetched(authority.pem, "0".repeat(64)), new RegExp(`fingerprint is ${hex}, and tls-pin is 0{64}`));
  assert.match(await fetched(authority.pem, undefined), /use the name that the certificate is for, or set tls-pin/);
  assert.is(await fetched(authority.pem, hex), "fetched");
});
