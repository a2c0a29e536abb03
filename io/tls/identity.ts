/**
 * Who is at the other end of a TLS connection, by the mesh's own reading of its certificate (pitfall 30). Node's TLS
 * verifies a chain against the roots; it knows no SPIFFE ID, no trust domain and no profile.
 *
 * Reading takes half a millisecond and the same few certificates come back with every connection, so results are kept
 * by the certificate's hash for a minute at most, and never past what the certificate itself allows.
 */
import { createHash } from "node:crypto";
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { ParsedSpiffeId } from "../../core/model/spiffe.ts";
import { decodePem } from "../../core/x509/pem.ts";
import type { SvidFault } from "../../core/x509/profile.ts";
import { verifyLeaf, verifySvid } from "../../core/x509/verify.ts";
import type { SvidResult } from "../../core/x509/verify.ts";
import { nodeCrypto } from "../crypto.ts";

export interface PeerCheck {
  readonly trustDomain: string;
  /** With them the path to a root is checked by our own code too; without, OpenSSL's verdict on it stands. */
  readonly rootsPem?: readonly string[];
  /** Wall time; the system's when left out. */
  readonly nowMs?: number;
}

export type PeerIdentity =
  | {
    readonly ok: true;
    readonly id: ParsedSpiffeId;
    /** SHA-256 of the leaf's DER, hex. */
    readonly certDerHash: string;
    readonly notAfterMs: number;
  }
  | { readonly ok: false; readonly reason: SvidFault };

/** Both of Node's forms of a peer's certificate. */
interface PeerCertificate {
  readonly raw: Buffer;
  readonly issuerCertificate?: PeerCertificate | X509Certificate | undefined;
}

const CACHE_SIZE_MAX = 4096;
const CACHE_AGE_MS_MAX = 60_000;
/** More than verifySvid reads: a chain that goes in a circle must end somewhere. */
const CHAIN_MAX = 9;

interface Cached { readonly result: SvidResult; readonly atMs: number }
const cache = new Map<string, Cached>();

function chainOf(certificate: PeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  let at = certificate.issuerCertificate;
  // A root is its own issuer in one of Node's forms, and has none in the other.
  for (let last = certificate.raw; at !== undefined && chain.length < CHAIN_MAX; at = at.issuerCertificate) {
    if (at.raw.equals(last)) break;
    last = at.raw;
    chain.push(last);
  }
  return chain;
}

function verify(certificate: PeerCertificate, check: PeerCheck, nowMs: number): SvidResult {
  const { trustDomain, rootsPem } = check;
  if (rootsPem === undefined) return verifyLeaf(certificate.raw, { nowMs, trustDomain });
  return verifySvid(nodeCrypto, {
    leafDer: certificate.raw,
    chainDers: chainOf(certificate),
    rootDers: rootsPem.flatMap((pem) => decodePem(pem)),
    nowMs,
    trustDomain,
  });
}

function remember(key: string, entry: Cached): void {
  cache.delete(key);
  if (cache.size >= CACHE_SIZE_MAX) {
    for (const oldest of cache.keys()) {
      cache.delete(oldest);
      break;
    }
  }
  cache.set(key, entry);
}

/** The same for a certificate by itself, in either of Node's forms; its holder's key is the TLS handshake's matter. */
export function checkPeer(certificate: PeerCertificate, check: PeerCheck): PeerIdentity {
  const nowMs = check.nowMs ?? Date.now();
  const certDerHash = createHash("sha256").update(certificate.raw).digest("hex");
  const key = `${certDerHash} ${check.trustDomain} ${check.rootsPem?.join("") ?? ""}`;
  const hit = cache.get(key);
  let result = hit?.result;
  if (hit === undefined || nowMs < hit.atMs || nowMs > hit.atMs + CACHE_AGE_MS_MAX || !hit.result.ok) {
    result = verify(certificate, check, nowMs);
    // Only what is good is kept: a stranger's certificates must not push out the mesh's.
    if (result.ok) remember(key, { result, atMs: nowMs });
  }
  if (!result!.ok) return { ok: false, reason: result!.reason };
  if (nowMs > result!.notAfterMs) return { ok: false, reason: "expired" };
  return { ok: true, id: result!.id, certDerHash, notAfterMs: result!.notAfterMs };
}

/** Who the peer is; to be asked on both ends once the handshake is over. Whether it may do anything is not said. */
export function peerIdentity(socket: TLSSocket, check: PeerCheck): PeerIdentity {
  if (!socket.authorized) return { ok: false, reason: "not_verified" };
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { ok: false, reason: "no_certificate" };
  return checkPeer(certificate, check);
}
