/** Whom we trust over TLS: the same for the broker, the API and the images. */
import { errnoOf, LightvError } from "./errors.ts";

export interface Trust {
  /** PEM; replaces the system's certificates. */
  readonly ca: string | undefined;
  /** Lower-case hex SHA-256 that the server's certificate must have. */
  readonly pin: string | undefined;
}

interface TlsOptions {
  ca?: string;
  checkServerIdentity?: (host: string, peer: Peer) => Error | undefined;
}

interface Peer {
  readonly fingerprint256: string;
}

/** For tls.connect and what is built on it. */
export function tlsOptions({ ca, pin }: Trust): TlsOptions {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(pin === undefined ? {} : { checkServerIdentity: (_host: string, peer: Peer) => checkPin(peer, pin) }),
  };
}

/** What to do about a certificate that is not trusted; "" for any other error. */
export function certificateHint(error: Error): string {
  const code = errnoOf(error) ?? "";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return " (use the name that the certificate is for, or set tls-pin)";
  // A device without a clock that is kept going starts in 1970.
  if (/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code)) return " (compare the certificate's dates with this device's clock)";
  return /CERT|SELF_SIGNED|UNABLE_TO/.test(code) ? " (ca-file must hold the CA that has signed this server's certificate)" : "";
}

/** In place of the host name's check; the chain is checked before it (tls.connect). */
function checkPin(peer: Peer, pin: string): Error | undefined {
  const fingerprint = peer.fingerprint256.replaceAll(":", "").toLowerCase();
  if (fingerprint === pin) return undefined;
  return new LightvError("LV_DENIED", `the certificate's SHA-256 fingerprint is ${fingerprint}, and tls-pin is ${pin}`, {
    hint: "update tls-pin if the certificate was renewed on purpose",
  });
}
