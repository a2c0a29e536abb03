/**
 * A host that was off for weeks comes back with a certificate that has expired. TLS lets it in nowhere, but it still
 * holds the key: for 90 days a request signed by that very key, beside the old certificate, gets it a new one. Whether
 * the host was revoked meanwhile, the catalog knows; the caller asks it.
 */
import { bytesEqual } from "../base/bytes.ts";
import type { Crypto } from "../base/crypto.ts";
import { MeshError } from "../base/errors.ts";
import { DAY_MS } from "../base/time.ts";
import { parseCertificate } from "./certificate.ts";
import { verifyCsr } from "./csr.ts";
import { decodePem } from "./pem.ts";
import { SVID_FAULTS } from "./profile.ts";
import { verifySvid } from "./verify.ts";

const LATE_MS_MAX = 90 * DAY_MS;

export interface LateRenewal {
  /** The old certificate and its intermediates. */
  readonly chainPem: string;
  /** Signed by the old certificate's key. */
  readonly csrDer: Uint8Array;
  readonly rootsPem: readonly string[];
  readonly trustDomain: string;
  readonly nowMs: number;
}

/** The node that may have a new certificate for this key; throws INVALID or CERT_INVALID with the reason. */
export function verifyLateRenewal(crypto: Crypto, request: LateRenewal): { node: string; spkiDer: Uint8Array } {
  const [leafDer, ...chainDers] = decodePem(request.chainPem);
  if (leafDer === undefined) throw new MeshError("INVALID", "the renewal carries no certificate");
  const { spkiDer } = verifyCsr(crypto, request.csrDer);
  const checked = verifySvid(crypto, {
    leafDer, chainDers, rootDers: request.rootsPem.flatMap((pem) => decodePem(pem)), nowMs: request.nowMs,
    trustDomain: request.trustDomain, expiredGraceMs: LATE_MS_MAX,
  });
  if (!checked.ok) {
    throw new MeshError("CERT_INVALID", `the old certificate is refused: ${SVID_FAULTS[checked.reason]}`);
  }
  if (checked.id.kind !== "node") throw new MeshError("CERT_INVALID", "only a host's certificate is renewed late");
  if (!bytesEqual(parseCertificate(leafDer).spkiDer, spkiDer)) {
    throw new MeshError("CERT_INVALID", "the request is not signed by the old certificate's key");
  }
  return { node: checked.id.name, spkiDer };
}
