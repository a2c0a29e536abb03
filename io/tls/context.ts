/**
 * TLS as every connection of the mesh has it: version 1.3 and no other, hybrid post-quantum key exchange first, no
 * session tickets and no session cache. A resumed session would carry an identity past a change of roots or
 * intentions (pitfall 31), and an old version would bring its weaknesses with it.
 *
 * A server that serves many identities (sniServerTlsOptions) has no certificate of its own: OpenSSL then ends a
 * handshake whose server name is absent or unknown with a handshake_failure alert, since it has nothing to sign with.
 *
 * A context is swapped by handing the next connections another one: `tls.Server.setSecureContext`, or another answer
 * of `contextFor`. Connections that are open keep theirs.
 */
import { constants } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { ConnectionOptions, SecureContext, SecureContextOptions, TlsOptions } from "node:tls";
import { serviceKey } from "../../core/model/names.ts";
import type { ParsedSpiffeId } from "../../core/model/spiffe.ts";
import { SVID_FAULTS } from "../../core/x509/profile.ts";
import { checkPeer } from "./identity.ts";

/** A certificate, its key and whom to trust, all PEM. */
export interface Credentials {
  readonly rootsPem: readonly string[];
  /** Leaf first, then intermediates. */
  readonly chainPem: string;
  /** PKCS#8. */
  readonly keyPem: string;
}

const HYBRID_GROUPS = "X25519MLKEM768:X25519";
const CLASSIC_GROUPS = "X25519";
let groups: string | undefined;

/** The hybrid group where this Node's OpenSSL (3.5 and later) has it. */
function keyExchangeGroups(): string {
  if (groups !== undefined) return groups;
  try {
    createSecureContext({ ecdhCurve: HYBRID_GROUPS });
    groups = HYBRID_GROUPS;
  } catch {
    groups = CLASSIC_GROUPS;
  }
  return groups;
}

const policy = (): SecureContextOptions => ({
  minVersion: "TLSv1.3",
  maxVersion: "TLSv1.3",
  ecdhCurve: keyExchangeGroups(),
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/** Options for createSecureContext, `tls.createServer` or `setSecureContext`. */
export function contextOptions(credentials: Credentials, { sendRoots = false } = {}): SecureContextOptions {
  const { rootsPem, chainPem, keyPem } = credentials;
  return {
    ...policy(),
    ca: [...rootsPem],
    cert: sendRoots ? [chainPem, ...rootsPem].join("\n") : chainPem,
    key: keyPem,
  };
}

/** Parses the PEM once, for many connections. */
export const createContext = (credentials: Credentials): SecureContext =>
  createSecureContext(contextOptions(credentials));

/** A context for a client that has no certificate yet, or calls with a token instead of one. */
export const createAnonymousContext = (rootsPem: readonly string[]): SecureContext =>
  createSecureContext({ ...policy(), ca: [...rootsPem] });

export interface ServerTlsOptions {
  /** `none`: the caller proves itself by a token or a ticket. */
  readonly clientCertificate: "required" | "none";
  /**
   * Sends the roots after the chain. By default where no client certificate is asked for: such a caller may have
   * nothing but the root's digest yet, and finds the root itself in the handshake (fetchPinnedRoot).
   */
  readonly sendRoots?: boolean;
  /** Nothing in common with what the client offers ends the handshake; a client that offers nothing passes. */
  readonly alpn?: readonly string[];
}

const withAlpn = (alpn: readonly string[] | undefined): { ALPNProtocols?: string[] } =>
  alpn === undefined ? {} : { ALPNProtocols: [...alpn] };

/** For a server with one identity, whatever name the client asked for. */
export function serverTlsOptions(credentials: Credentials, options: ServerTlsOptions): TlsOptions {
  const required = options.clientCertificate === "required";
  return {
    ...contextOptions(credentials, { sendRoots: options.sendRoots ?? !required }),
    // Roots that nobody is verified against would only be sent along by OpenSSL's own chain building.
    ...(required ? {} : { ca: [] }),
    requestCert: required,
    // Means nothing where none is asked for, and is never off.
    rejectUnauthorized: true,
    ...withAlpn(options.alpn),
  };
}

export interface SniServerOptions {
  /** Called for each handshake with the client's server name; undefined refuses it. */
  readonly contextFor: (servername: string) => SecureContext | undefined;
  readonly alpn: readonly string[];
}

/** For a server of many identities. A client certificate is required whatever the name. */
export function sniServerTlsOptions({ contextFor, alpn }: SniServerOptions): TlsOptions {
  return {
    ...policy(),
    requestCert: true,
    rejectUnauthorized: true,
    SNICallback: (servername, done) => {
      let context: SecureContext | undefined;
      try {
        context = contextFor(servername);
      } catch {
        context = undefined;
      }
      // Without a context OpenSSL is left with the default one, which has no certificate.
      done(null, context);
    },
    ...withAlpn(alpn),
  };
}

export interface ClientTlsOptions {
  readonly context: SecureContext;
  readonly servername: string;
  readonly trustDomain: string;
  /** Whether the peer is whom this connection is for; called once its certificate was found good. */
  readonly accept: (id: ParsedSpiffeId) => boolean;
  readonly alpn?: readonly string[];
  /** Has the path to a root checked by our own code too, beside OpenSSL. */
  readonly rootsPem?: readonly string[];
  /** Wall time; the system's when left out. */
  readonly nowMs?: () => number;
}

/**
 * Node's check of the server's name, replaced: who the peer is stands in its SPIFFE ID, not in a DNS name. Node calls
 * it only after OpenSSL found the chain good, and destroys the connection when it returns an error.
 */
export function spiffeServerIdentity(
  options: Pick<ClientTlsOptions, "trustDomain" | "accept" | "rootsPem" | "nowMs">,
): (name: string, certificate: { readonly raw: Buffer }) => Error | undefined {
  return (_name, certificate) => {
    const { trustDomain, accept, rootsPem } = options;
    const check = { trustDomain, nowMs: (options.nowMs ?? Date.now)(), ...(rootsPem && { rootsPem }) };
    const peer = checkPeer(certificate, check);
    if (!peer.ok) return new Error(`the peer's certificate is refused (${peer.reason}): ${SVID_FAULTS[peer.reason]}`);
    if (accept(peer.id)) return undefined;
    const { id } = peer;
    const who = id.kind === "service" ? serviceKey(id) : id.name;
    return new Error(`the peer is ${id.kind} ${who}, not the one called`);
  };
}

/** For `tls.connect`; add host and port, or a socket. */
export function clientTlsOptions(options: ClientTlsOptions): ConnectionOptions {
  return {
    secureContext: options.context,
    servername: options.servername,
    rejectUnauthorized: true,
    checkServerIdentity: spiffeServerIdentity(options),
    ...withAlpn(options.alpn),
  };
}
