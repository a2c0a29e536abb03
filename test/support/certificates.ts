/** Certificates for tests: a CA of its own, credentials from it, and certificates that break one rule at a time. */
import type { KeyPair } from "../../core/base/crypto.ts";
import { DAY_MS, HOUR_MS } from "../../core/base/time.ts";
import {
  commonName, keyIdentifier, parseCertificate, randomSerial, signCertificate,
} from "../../core/x509/certificate.ts";
import type { Der } from "../../core/x509/der.ts";
import {
  authorityKeyIdExtension, basicConstraintsExtension, extendedKeyUsageExtension, extensionsField, keyUsageExtension,
  subjectAltNameExtension, subjectKeyIdExtension,
} from "../../core/x509/extensions.ts";
import { createRoot, signLeaf } from "../../core/x509/issue.ts";
import { KEY_USAGE, OID } from "../../core/x509/oids.ts";
import { CERTIFICATE, decodePem, encodePem } from "../../core/x509/pem.ts";
import { nodeCrypto } from "../../io/crypto.ts";
import type { Credentials } from "../../io/tls/context.ts";

export const TRUST_DOMAIN = "test.mesh";

export interface TestCa {
  readonly pem: string;
  readonly der: Uint8Array;
  readonly id: string;
  readonly pair: KeyPair;
  readonly nowMs: number;
}

export function testCa(nowMs: number, trustDomain = TRUST_DOMAIN): TestCa {
  const root = createRoot(nodeCrypto, { trustDomain, nowMs });
  const der = decodePem(root.certPem)[0]!;
  const pair = { privateKeyPem: root.privateKeyPem, spkiDer: parseCertificate(der).spkiDer };
  return { pem: root.certPem, der, id: root.id, pair, nowMs };
}

/** Credentials for `spiffe://test.mesh/<path>` of the regular profile. */
export function credentials(
  ca: TestCa, path: string, options: { dnsNames?: string[]; nowMs?: number; ttlMs?: number } = {},
): Credentials {
  const { dnsNames = [], nowMs = ca.nowMs, ttlMs = 24 * HOUR_MS } = options;
  const pair = nodeCrypto.generateKeyPair("ec-p256");
  const { certPem } = signLeaf(nodeCrypto, {
    issuerCertPem: ca.pem, issuerKeyPem: ca.pair.privateKeyPem, spkiDer: pair.spkiDer,
    spiffeId: `spiffe://${TRUST_DOMAIN}/${path}`, dnsNames, nowMs, ttlMs,
  });
  return { rootsPem: [ca.pem], chainPem: certPem, keyPem: pair.privateKeyPem };
}

/** The parts of a profile, each of which a test may replace. */
export interface Parts {
  readonly basicConstraints?: Der | undefined;
  readonly keyUsage?: Der | undefined;
  readonly extendedKeyUsage?: Der | undefined;
  readonly names?: Der | undefined;
  readonly more?: readonly Der[];
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly pair?: KeyPair;
  readonly subject?: string;
  /** Left out when false. */
  readonly keyIds?: boolean;
}

export interface Issuer {
  readonly der: Uint8Array;
  readonly pair: KeyPair;
  readonly nowMs: number;
}

const present = (list: readonly (Der | undefined)[]): Der[] => list.filter((one) => one !== undefined);

/** A certificate with the given parts under an issuer; DER. */
export function build(issuer: Issuer, parts: Parts): Issuer {
  const pair = parts.pair ?? nodeCrypto.generateKeyPair("ec-p256");
  const parent = parseCertificate(issuer.der);
  const keyIds = parts.keyIds === false ? [] : [
    subjectKeyIdExtension(keyIdentifier(nodeCrypto, pair.spkiDer)),
    authorityKeyIdExtension(keyIdentifier(nodeCrypto, issuer.pair.spkiDer)),
  ];
  const der = signCertificate(nodeCrypto, issuer.pair, {
    serial: randomSerial(nodeCrypto),
    issuerDer: parent.subjectDer,
    subject: commonName(parts.subject ?? "built by a test"),
    notBeforeMs: parts.notBeforeMs ?? issuer.nowMs - HOUR_MS,
    notAfterMs: parts.notAfterMs ?? issuer.nowMs + HOUR_MS,
    spkiDer: pair.spkiDer,
    extensions: extensionsField(...present([
      parts.basicConstraints, parts.keyUsage, parts.extendedKeyUsage, ...keyIds, parts.names, ...(parts.more ?? []),
    ])),
  });
  return { der, pair, nowMs: issuer.nowMs };
}

/** Everything that a good leaf has. */
export const leafParts = (path = "ns/default/sa/web"): Parts => ({
  basicConstraints: basicConstraintsExtension(false),
  keyUsage: keyUsageExtension(KEY_USAGE.digitalSignature),
  extendedKeyUsage: extendedKeyUsageExtension([OID.serverAuth, OID.clientAuth]),
  names: subjectAltNameExtension(`spiffe://${TRUST_DOMAIN}/${path}`, []),
});

/** Everything that a good intermediate has. */
export const caParts = (subject: string): Parts => ({
  subject,
  basicConstraints: basicConstraintsExtension(true),
  keyUsage: keyUsageExtension(KEY_USAGE.keyCertSign | KEY_USAGE.crlSign),
  names: subjectAltNameExtension(`spiffe://${TRUST_DOMAIN}`, []),

});

export const toPem = (der: Uint8Array): string => encodePem(CERTIFICATE, der);
export const days = (count: number): number => count * DAY_MS;
