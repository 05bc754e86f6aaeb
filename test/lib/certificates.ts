/** A certificate authority for one test, and servers' certificates that it has signed: by openssl(1), as an operator makes them. */
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

export interface Certificate {
  /** PEM files. */
  readonly cert: string;
  readonly key: string;
  /** As `tls-pin` wants it. */
  readonly pin: string;
}

export class Authority {
  readonly file: string;
  private readonly directory: string;
  private readonly name: string;

  /** `name`.crt and `name`.key in `directory`. */
  constructor(directory: string, name: string) {
    this.directory = directory;
    this.name = name;
    this.file = join(directory, `${name}.crt`);
    this.openssl("req", "-x509", ...KEY, "-keyout", `${name}.key`, "-out", `${name}.crt`, "-subj", `/CN=${name}`);
  }

  get pem(): string {
    return readFileSync(this.file, "utf8");
  }

  /** For a server of these names, such as "DNS:localhost,IP:127.0.0.1". */
  issue(server: string, names: string): Certificate {
    const file = (end: string): string => join(this.directory, `${server}.${end}`);
    this.openssl("req", ...KEY, "-keyout", `${server}.key`, "-out", `${server}.csr`, "-subj", `/CN=${server}`);
    writeFileSync(file("san"), `subjectAltName=${names}\n`);
    const by = ["-CA", `${this.name}.crt`, "-CAkey", `${this.name}.key`, "-CAcreateserial"];
    this.openssl("x509", "-req", "-in", `${server}.csr`, ...by, "-out", `${server}.crt`, "-extfile", `${server}.san`);
    const { fingerprint256 } = new X509Certificate(readFileSync(file("crt")));
    return { cert: file("crt"), key: file("key"), pin: `sha256:${fingerprint256.replaceAll(":", "").toLowerCase()}` };
  }

  private openssl(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.directory, stdio: "pipe" });
  }
}

/** Arguments of lightv-fleet for TLS on all its doors. */
export function tlsFlags({ cert, key }: Certificate): string[] {
  return ["api", "mqtt"].flatMap((part) => ["--set", `${part}.tls-cert=${cert}`, "--set", `${part}.tls-key=${key}`]);
}
