/**
 * The mesh's own check of a peer's certificate: the leaf's profile, its trust domain, and a path to a trusted root.
 * Nothing is left to the TLS library, which knows no SPIFFE (pitfall 30).
 *
 * The path is searched depth first from the leaf upwards, roots before intermediates. The search is bounded in depth
 * and in signatures, since the peer chooses the intermediates. A root is trusted because it was given, byte for byte;
 * its own signature proves nothing and is not looked at.
 */
import type { Crypto } from "../base/crypto.ts";
import { bytesEqual } from "../base/bytes.ts";
import { MeshError } from "../base/errors.ts";
import { parseSpiffeId } from "../model/spiffe.ts";
import type { ParsedSpiffeId } from "../model/spiffe.ts";
import { parseCertificate } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { issuerFault, leafFault, timeFault } from "./profile.ts";
import type { SvidFault } from "./profile.ts";
import { readPublicKey, signatureOid } from "./spki.ts";

/** Intermediates between leaf and root. */
const DEPTH_MAX = 4;
const CHAIN_MAX = 8;
const ROOTS_MAX = 32;
const SIGNATURES_MAX = 16;

export interface SvidCheck {
  readonly leafDer: Uint8Array;
  /** Whatever came after the leaf, in any order; roots among them do no harm. */
  readonly chainDers: readonly Uint8Array[];
  readonly rootDers: readonly Uint8Array[];
  readonly nowMs: number;
  readonly trustDomain: string;
  /** How long after its notAfter a leaf still passes: only for the renewal of a host that was off. 0 by default. */
  readonly expiredGraceMs?: number;
}

export type SvidResult =
  | { readonly ok: true; readonly id: ParsedSpiffeId; readonly notAfterMs: number }
  | { readonly ok: false; readonly reason: SvidFault };

type Found = SvidFault | ParsedSpiffeId & { readonly notAfterMs: number };

interface Search {
  readonly crypto: Crypto;
  readonly roots: readonly Certificate[];
  readonly chain: readonly Certificate[];
  readonly nowMs: number;
  readonly trustDomain: string;
  signatures: number;
}

/** How far a failed candidate came: the fault of the one that came furthest is what the caller hears. */
const PROGRESS: readonly SvidFault[] = [
  "unknown_issuer", "unsupported_signature", "bad_signature", "chain_too_long", "unknown_critical_extension",
  "issuer_not_ca", "issuer_no_cert_sign", "issuer_spiffe_id", "issuer_path_length", "not_yet_valid", "expired",
];
const further = (a: SvidFault, b: SvidFault): SvidFault => PROGRESS.indexOf(a) >= PROGRESS.indexOf(b) ? a : b;

function names(issuer: Certificate, child: Certificate): boolean {
  if (!bytesEqual(issuer.subjectDer, child.issuerDer)) return false;
  const wanted = child.extensions.authorityKeyId;
  const has = issuer.extensions.subjectKeyId;
  return wanted === undefined || has === undefined || bytesEqual(wanted, has);
}

function signatureFault(search: Search, issuer: Certificate, child: Certificate): SvidFault | undefined {
  if (++search.signatures > SIGNATURES_MAX) return "chain_too_long";
  let expected: string;
  try {
    expected = signatureOid(readPublicKey(issuer.spkiDer).algorithm);
  } catch {
    return "unsupported_signature";
  }
  if (child.signatureOid !== expected) return "unsupported_signature";
  return search.crypto.verify(issuer.spkiDer, child.tbsDer, child.signature) ? undefined : "bad_signature";
}

function candidateFault(search: Search, issuer: Certificate, path: readonly Certificate[]): SvidFault | undefined {
  const bad = signatureFault(search, issuer, path.at(-1)!);
  if (bad !== undefined) return bad;
  const fault = issuerFault(issuer, search.trustDomain);
  if (fault !== undefined) return fault;
  const limit = issuer.extensions.basicConstraints?.pathLength;
  // The leaf does not count (RFC 5280 4.2.1.9).
  if (limit !== undefined && path.length - 1 > limit) return "issuer_path_length";
  return timeFault(issuer, search.nowMs);
}

/** The fault of the best path from the end of `path` to a root, undefined when there is a good one. */
function pathFault(search: Search, path: readonly Certificate[]): SvidFault | undefined {
  const child = path.at(-1)!;
  let best: SvidFault = "unknown_issuer";
  for (const root of search.roots) {
    if (!names(root, child)) continue;
    const fault = candidateFault(search, root, path);
    if (fault === undefined) return undefined;
    best = further(best, fault);
  }
  for (const issuer of search.chain) {
    if (path.includes(issuer) || !names(issuer, child)) continue;
    if (path.length > DEPTH_MAX) return further(best, "chain_too_long");
    const fault = candidateFault(search, issuer, path) ?? pathFault(search, [...path, issuer]);
    if (fault === undefined) return undefined;
    best = further(best, fault);
  }
  return best;
}

/** Whom a leaf names, once leafFault found nothing. */
function leafIdentity(leaf: Certificate, trustDomain: string): ParsedSpiffeId | SvidFault {
  const uri = leaf.extensions.uriSans[0]!;
  if (!uri.startsWith(`spiffe://${trustDomain}/`)) return "foreign_trust_domain";
  return parseSpiffeId(uri) ?? "unknown_identity";
}

function check(crypto: Crypto, options: SvidCheck): Found {
  const { nowMs, trustDomain, chainDers, rootDers } = options;
  if (chainDers.length > CHAIN_MAX || rootDers.length > ROOTS_MAX) return "chain_too_long";
  const leaf = parseCertificate(options.leafDer);
  const fault = leafFault(leaf);
  if (fault !== undefined) return fault;
  const id = leafIdentity(leaf, trustDomain);
  if (typeof id === "string") return id;
  const search: Search = {
    crypto, nowMs, trustDomain, signatures: 0,
    roots: rootDers.map(parseCertificate),
    chain: chainDers.map(parseCertificate),
  };
  const bad = pathFault(search, [leaf]) ?? timeFault(leaf, nowMs, options.expiredGraceMs);
  return bad ?? { ...id, notAfterMs: leaf.notAfterMs };
}

function settle(run: () => Found): SvidResult {
  try {
    const result = run();
    if (typeof result === "string") return { ok: false, reason: result };
    const { notAfterMs, ...id } = result;
    return { ok: true, id, notAfterMs };
  } catch (error) {
    if (error instanceof MeshError) return { ok: false, reason: "malformed" };
    throw error;
  }
}

/** Whether the leaf is an SVID of this trust domain under one of the roots now; never throws for bad input. */
export const verifySvid = (crypto: Crypto, options: SvidCheck): SvidResult => settle(() => check(crypto, options));

/** The same without the path to a root, for a leaf whose path something else has verified: profile, identity, time. */
export function verifyLeaf(leafDer: Uint8Array, options: { nowMs: number; trustDomain: string }): SvidResult {
  return settle(() => {
    const leaf = parseCertificate(leafDer);
    const fault = leafFault(leaf) ?? timeFault(leaf, options.nowMs);
    if (fault !== undefined) return fault;
    const id = leafIdentity(leaf, options.trustDomain);
    return typeof id === "string" ? id : { ...id, notAfterMs: leaf.notAfterMs };
  });
}
