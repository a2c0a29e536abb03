/**
 * How a host that has nothing but a ticket finds the cluster's root: it opens a TLS connection, looks through the
 * certificates that the server shows for the one whose digest the ticket names, and hangs up. The caller then connects
 * again with that root as its only trust anchor, in the normal way, and only then sends the ticket's secret.
 *
 * Verification is never switched off. The probe trusts no root at all, so Node refuses and destroys the connection by
 * itself, whoever answered; the certificates are read in between, on the socket's `secure` event, which comes before
 * that verdict. Nothing can be sent on such a connection, by us or by mistake.
 */
import { createHash } from "node:crypto";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { MeshError } from "../../core/base/errors.ts";
import { CERTIFICATE, encodePem } from "../../core/x509/pem.ts";
import { createAnonymousContext } from "./context.ts";

export interface PinnedRootOptions {
  readonly host: string;
  /** The HTTPS port. */
  readonly port: number;
  /** SHA-256 of the root's DER, lower case hex. */
  readonly rootSha256: string;
  readonly signal: AbortSignal;
  /** For a server that serves by name; not needed for a mesh server. */
  readonly servername?: string;
}

const CHAIN_MAX = 9;

const digest = (der: Uint8Array): string => createHash("sha256").update(der).digest("hex");

/** The certificate with that digest among those that the server has shown. */
function findRoot(socket: TLSSocket, rootSha256: string): Buffer | undefined {
  let at = socket.getPeerX509Certificate();
  for (let i = 0; at !== undefined && i < CHAIN_MAX; i++, at = at.issuerCertificate) {
    if (digest(at.raw) === rootSha256) return at.raw;
  }
  return undefined;
}

/**
 * The PEM of the root with that digest. Rejects with CERT_INVALID when the server shows no such root (another cluster,
 * or somebody in between), UNREACHABLE when nobody answers TLS there, TIMEOUT when the signal fires.
 */
export function fetchPinnedRoot(options: PinnedRootOptions): Promise<string> {
  const { host, port, rootSha256, signal, servername } = options;
  const where = `${host}:${port}`;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new MeshError("TIMEOUT", `${where} was not asked for its root in time`));
      return;
    }
    const socket = connect({
      host, port, secureContext: createAnonymousContext([]), rejectUnauthorized: true,
      ...(servername === undefined ? {} : { servername }),
    });
    let shown = false;
    const abort = (): void => {
      socket.destroy(new MeshError("TIMEOUT", `${where} did not show its root in time`));
    };
    signal.addEventListener("abort", abort);
    socket.prependListener("secure", () => {
      shown = true;
      const root = findRoot(socket, rootSha256);
      if (root !== undefined) resolve(encodePem(CERTIFICATE, root));
    });
    // Never happens, since nothing is trusted; if it did, this connection is still for nothing but looking.
    socket.on("secureConnect", () => socket.destroy());
    // A promise settles once: what comes after the root was found is Node's expected verdict, and changes nothing.
    socket.on("error", (error) => {
      if (error instanceof MeshError) reject(error);
      else reject(shown ? foreign(where) : unreachable(where, error));
    });
    socket.on("close", () => {
      signal.removeEventListener("abort", abort);
      reject(shown ? foreign(where) : unreachable(where));
    });
  });
}

const foreign = (where: string): MeshError =>
  new MeshError("CERT_INVALID", `${where} is no server of the ticket's cluster: none of its certificates is pinned`, {
    fix: "check the addresses in the ticket, or create a new one: mesh acl ticket create",
  });

function unreachable(where: string, cause?: Error): MeshError {
  const reason = cause?.message.trim() ?? "it closed the connection";
  return new MeshError("UNREACHABLE", `${where} does not answer TLS: ${reason}`, { cause });
}
