/**
 * What an X.509-SVID and the certificates above it may say (X509-SVID.md sections 2 to 5). Every rule has its own
 * fault, so that a log line tells which one was broken.
 */
import { splitSpiffeId } from "../model/spiffe.ts";
import type { Certificate } from "./certificate.ts";
import { KEY_USAGE, OID } from "./oids.ts";

/** Why a peer's certificate was refused; the closed list, with what each one means. */
export const SVID_FAULTS = {
  malformed: "a certificate is not well-formed DER X.509",
  no_certificate: "the peer sent no certificate",
  not_verified: "the TLS layer did not verify the peer's chain",
  chain_too_long: "the chain has too many certificates",
  unknown_critical_extension: "a critical extension is not understood",
  no_uri_san: "the leaf has no URI SAN: it is no SVID",
  several_uri_sans: "the leaf has more than one URI SAN",
  not_a_spiffe_id: "the URI SAN is not a SPIFFE ID",
  no_path: "the SPIFFE ID names a trust domain, not a workload",
  foreign_trust_domain: "the SPIFFE ID belongs to another trust domain",
  unknown_identity: "the SPIFFE ID is not of a form that this mesh issues",
  leaf_is_ca: "the leaf is a CA certificate",
  leaf_no_key_usage: "the leaf has no key usage",
  leaf_key_usage_not_critical: "the leaf's key usage is not critical",
  leaf_no_digital_signature: "the leaf's key may not make signatures",
  leaf_signs_certificates: "the leaf's key may sign certificates",
  leaf_signs_crls: "the leaf's key may sign revocation lists",
  leaf_extended_key_usage: "the leaf's extended key usage lacks server or client authentication",
  issuer_not_ca: "an issuing certificate is not a CA",
  issuer_no_cert_sign: "an issuing certificate's key may not sign certificates",
  issuer_spiffe_id: "an issuing certificate carries a SPIFFE ID that is not this trust domain",
  issuer_path_length: "an issuing certificate does not allow that many certificates below it",
  unknown_issuer: "no trusted root leads to the leaf",
  unsupported_signature: "a signature is of a kind that is not accepted",
  bad_signature: "a signature does not verify",
  not_yet_valid: "a certificate is not valid yet: compare the clocks of both hosts",
  expired: "a certificate has expired",
} as const;

export type SvidFault = keyof typeof SVID_FAULTS;

/** The fault of a leaf by itself, or undefined when it is an X.509-SVID of some trust domain. */
export function leafFault({ extensions: e }: Certificate): SvidFault | undefined {
  if (e.unknownCritical.length > 0) return "unknown_critical_extension";
  if (e.uriSans.length === 0) return "no_uri_san";
  if (e.uriSans.length > 1) return "several_uri_sans";
  const id = splitSpiffeId(e.uriSans[0]!);
  if (id === undefined) return "not_a_spiffe_id";
  if (id.path.length === 0) return "no_path";
  if (e.basicConstraints?.ca === true) return "leaf_is_ca";
  if (e.keyUsage === undefined) return "leaf_no_key_usage";
  if (!e.keyUsage.critical) return "leaf_key_usage_not_critical";
  if ((e.keyUsage.bits & KEY_USAGE.keyCertSign) !== 0) return "leaf_signs_certificates";
  if ((e.keyUsage.bits & KEY_USAGE.crlSign) !== 0) return "leaf_signs_crls";
  if ((e.keyUsage.bits & KEY_USAGE.digitalSignature) === 0) return "leaf_no_digital_signature";
  const usages = e.extendedKeyUsage;
  if (usages !== undefined && !(usages.includes(OID.serverAuth) && usages.includes(OID.clientAuth))) {
    return "leaf_extended_key_usage";
  }
  return undefined;
}

/** The fault of a certificate as an issuer in this trust domain, root or intermediate. */
export function issuerFault({ extensions: e }: Certificate, trustDomain?: string): SvidFault | undefined {
  if (e.unknownCritical.length > 0) return "unknown_critical_extension";
  if (e.basicConstraints?.ca !== true) return "issuer_not_ca";
  if (e.keyUsage === undefined || (e.keyUsage.bits & KEY_USAGE.keyCertSign) === 0) return "issuer_no_cert_sign";
  if (e.uriSans.length > 1) return "issuer_spiffe_id";
  if (e.uriSans.length === 1) {
    const id = splitSpiffeId(e.uriSans[0]!);
    if (id === undefined || id.path.length > 0) return "issuer_spiffe_id";
    if (trustDomain !== undefined && id.trustDomain !== trustDomain) return "issuer_spiffe_id";
  }
  return undefined;
}

/** The fault of a certificate at an instant. `graceMs` lets one that has expired pass for that much longer. */
export function timeFault(certificate: Certificate, nowMs: number, graceMs = 0): SvidFault | undefined {
  if (nowMs < certificate.notBeforeMs) return "not_yet_valid";
  return nowMs > certificate.notAfterMs + graceMs ? "expired" : undefined;
}
