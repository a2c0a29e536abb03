/** What the mesh's CA issues: its root, and leaves exactly to the X.509-SVID profile (X509-SVID.md sections 2 to 4). */
import type { Crypto, KeyAlgorithm } from "../base/crypto.ts";
import { toHex } from "../base/bytes.ts";
import { MeshError } from "../base/errors.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "../base/time.ts";
import { isTrustDomain, splitSpiffeId, trustDomainId } from "../model/spiffe.ts";
import { commonName, keyIdentifier, parseCertificate, randomSerial, signCertificate } from "./certificate.ts";
import { encodeDer } from "./der.ts";
import {
  authorityKeyIdExtension, basicConstraintsExtension, extendedKeyUsageExtension, extensionsField, keyUsageExtension,
  subjectAltNameExtension, subjectKeyIdExtension,
} from "./extensions.ts";
import { KEY_USAGE, OID } from "./oids.ts";
import { CERTIFICATE, encodePem, firstCertificate } from "./pem.ts";
import { readPublicKey } from "./spki.ts";

const ROOT_TTL_MS = 3_650 * DAY_MS;
export const LEAF_TTL_MS = 24 * HOUR_MS;
/** Certificates of hosts and servers. */
export const NODE_TTL_MS = 30 * DAY_MS;
/** How far another host's clock may lag behind the CA's; less for a short leaf, whose renewal would else be overdue. */
const BACKDATE_MS_MAX = 5 * MINUTE_MS;
const BACKDATE_SHARE = 10;
const DNS_NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/;

const wholeSecond = (ms: number): number => Math.floor(ms / SECOND_MS) * SECOND_MS;
const backdated = (nowMs: number, ttlMs: number): number =>
  wholeSecond(nowMs - Math.min(BACKDATE_MS_MAX, ttlMs / BACKDATE_SHARE));

export interface IssuedRoot {
  readonly certPem: string;
  readonly privateKeyPem: string;
  /** SHA-256 of the certificate's DER in hex: what a ticket pins. */
  readonly id: string;
}

/** The identity of a root certificate: SHA-256 of its DER, in hex. Throws INVALID when the text holds none. */
export const rootId = (crypto: Crypto, certPem: string): string =>
  toHex(crypto.sha256(firstCertificate(certPem, "the root")));

/** Makes a key and a self-signed root of ten years. `serial` is for tests; random otherwise. */
export function createRoot(
  crypto: Crypto,
  options: { trustDomain: string; nowMs: number; serial?: Uint8Array; algorithm?: KeyAlgorithm },
): IssuedRoot {
  const { trustDomain, nowMs } = options;
  if (!isTrustDomain(trustDomain)) {
    throw new MeshError("INVALID", `"${trustDomain}" cannot be a trust domain`, {
      fix: "use dot-separated labels of lower case letters, digits and hyphens, 120 characters at most",
    });
  }
  const pair = crypto.generateKeyPair(options.algorithm ?? "ec-p256");
  const keyId = keyIdentifier(crypto, pair.spkiDer);
  // The name differs from root to root: a chain is then never built by name alone through the wrong one.
  const subject = commonName(`Mesh Root CA ${toHex(keyId.subarray(0, 8))}`);
  const der = signCertificate(crypto, pair, {
    serial: options.serial ?? randomSerial(crypto),
    issuerDer: encodeDer(subject),
    subject,
    notBeforeMs: backdated(nowMs, ROOT_TTL_MS),
    notAfterMs: wholeSecond(nowMs + ROOT_TTL_MS),
    spkiDer: pair.spkiDer,
    extensions: extensionsField(
      basicConstraintsExtension(true),
      keyUsageExtension(KEY_USAGE.keyCertSign | KEY_USAGE.crlSign),
      subjectKeyIdExtension(keyId),
      authorityKeyIdExtension(keyId),
      subjectAltNameExtension(trustDomainId(trustDomain), []),
    ),
  });
  return { certPem: encodePem(CERTIFICATE, der), privateKeyPem: pair.privateKeyPem, id: toHex(crypto.sha256(der)) };
}

export interface LeafRequest {
  readonly issuerCertPem: string;
  readonly issuerKeyPem: string;
  readonly spkiDer: Uint8Array;
  readonly spiffeId: string;
  /** DNS SANs, after the one URI. */
  readonly dnsNames: readonly string[];
  readonly nowMs: number;
  readonly ttlMs: number;
}

export interface IssuedLeaf {
  readonly certPem: string;
  readonly serialHex: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

function checkRequest(request: LeafRequest): void {
  const id = splitSpiffeId(request.spiffeId);
  if (id === undefined || id.path.length === 0) {
    throw new MeshError("INVALID", `"${request.spiffeId}" is not the SPIFFE ID of a workload`);
  }
  const wrong = request.dnsNames.find((name) => !DNS_NAME.test(name));
  if (wrong !== undefined) throw new MeshError("INVALID", `"${wrong}" is not a DNS name`);
  if (!(request.ttlMs >= SECOND_MS)) throw new MeshError("INVALID", "a certificate must live a second at least");
}

/** Signs a leaf for a key that its holder has proved (verifyCsr), inside the issuer's own validity. */
export function signLeaf(crypto: Crypto, request: LeafRequest): IssuedLeaf {
  checkRequest(request);
  const issuer = parseCertificate(firstCertificate(request.issuerCertPem, "the CA's certificate"));
  readPublicKey(request.spkiDer);
  const { nowMs, ttlMs, spiffeId, dnsNames } = request;
  const notBeforeMs = Math.max(backdated(nowMs, ttlMs), issuer.notBeforeMs);
  const notAfterMs = Math.min(wholeSecond(nowMs + ttlMs), issuer.notAfterMs);
  if (nowMs < issuer.notBeforeMs || nowMs >= notAfterMs) {
    throw new MeshError("CERT_INVALID", "the CA's certificate is not valid now, so it signs nothing", {
      fix: "check this host's clock; if it is right, rotate the CA: mesh ca rotate",
    });
  }
  const serial = randomSerial(crypto);
  const der = signCertificate(crypto, { privateKeyPem: request.issuerKeyPem, spkiDer: issuer.spkiDer }, {
    serial,
    issuerDer: issuer.subjectDer,
    subject: commonName(dnsNames[0] ?? spiffeId.slice(spiffeId.lastIndexOf("/") + 1)),
    notBeforeMs,
    notAfterMs,
    spkiDer: request.spkiDer,
    extensions: extensionsField(
      basicConstraintsExtension(false),
      keyUsageExtension(KEY_USAGE.digitalSignature),
      extendedKeyUsageExtension([OID.serverAuth, OID.clientAuth]),
      subjectKeyIdExtension(keyIdentifier(crypto, request.spkiDer)),
      authorityKeyIdExtension(issuer.extensions.subjectKeyId ?? keyIdentifier(crypto, issuer.spkiDer)),
      subjectAltNameExtension(spiffeId, dnsNames),
    ),
  });
  return { certPem: encodePem(CERTIFICATE, der), serialHex: toHex(serial), notBeforeMs, notAfterMs };
}
