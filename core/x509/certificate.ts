/** X.509 version 3 certificates: bytes to fields and back (RFC 5280 4.1). What they may say is profile.ts's matter. */
import type { Crypto } from "../base/crypto.ts";
import { assert } from "../base/assert.ts";
import { bytesEqual, toHex, utf8Encode } from "../base/bytes.ts";
import type { KeyPair } from "../base/crypto.ts";
import {
  bits, decodeDer, encodeDer, explicit, malformed, oid, readBits, readChildren, readExplicit, readInteger, readOid,
  readSequenceDer, readTime, sequence, set, time, unsigned, utf8String,
} from "./der.ts";
import type { Der } from "./der.ts";
import { readExtensions } from "./extensions.ts";
import type { Extensions } from "./extensions.ts";
import { OID } from "./oids.ts";
import { readPublicKey, signatureAlgorithm } from "./spki.ts";

/** RFC 5280 4.1.2.2: 20 octets at most. */
const SERIAL_BYTES_MAX = 20;
/** 126 of its 128 bits are random; pitfall 29 asks for 64 at least. */
const SERIAL_BYTES = 16;
/** ub-common-name of RFC 5280. */
const COMMON_NAME_MAX = 64;

export interface Certificate {
  readonly der: Uint8Array;
  /** The signed part. */
  readonly tbsDer: Uint8Array;
  readonly serialHex: string;
  readonly signatureOid: string;
  readonly signature: Uint8Array;
  readonly issuerDer: Uint8Array;
  readonly subjectDer: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly spkiDer: Uint8Array;
  readonly extensions: Extensions;
}

/** Reads one DER certificate; throws INVALID, and nothing else, for anything that is not exactly one. */
export function parseCertificate(der: Uint8Array): Certificate {
  const what = "the certificate";
  const outer = readChildren(decodeDer(der, what), what);
  const [tbs, algorithm, signature] = outer;
  const fields = [...readChildren(tbs, "the certificate's body")];
  const [version] = readExplicit(fields.shift(), 0) ?? [];
  const number = version === undefined ? [] : readInteger(version, "the version");
  if (number.length !== 1 || number[0] !== 2) malformed("the certificate is not version 3");
  const [serialNode, innerAlgorithm, issuer, validity, subject, spki, tagged] = fields;
  if (outer.length !== 3 || fields.length < 6 || fields.length > 7) {
    malformed("the certificate has a wrong number of fields");
  }
  const serial = readInteger(serialNode, "the serial number");
  if (serial[0]! >= 0x80 || serial.every((byte) => byte === 0) || serial.length > SERIAL_BYTES_MAX) {
    malformed("the serial number is not a positive number of at most 20 bytes");
  }
  const algorithmDer = readSequenceDer(algorithm, "the signature's algorithm");
  if (!bytesEqual(algorithmDer, readSequenceDer(innerAlgorithm, "the signature's algorithm"))) {
    malformed("the certificate names two signature algorithms");
  }
  const [notBefore, notAfter, moreTimes] = readChildren(validity, "the validity");
  if (moreTimes !== undefined) malformed("the validity has more than two times");
  const list = readExplicit(tagged, 3);
  if (tagged !== undefined && list?.length !== 1) malformed("the certificate has a field of an unknown kind");
  return {
    der,
    tbsDer: encodeDer(tbs!),
    serialHex: toHex(serial),
    signatureOid: readOid(readChildren(algorithm, "the signature's algorithm")[0], "the signature's algorithm"),
    signature: readBits(signature, "the signature").bytes,
    issuerDer: readSequenceDer(issuer, "the issuer"),
    subjectDer: readSequenceDer(subject, "the subject"),
    notBeforeMs: readTime(notBefore, "notBefore"),
    notAfterMs: readTime(notAfter, "notAfter"),
    spkiDer: readSequenceDer(spki, "the public key"),
    extensions: readExtensions(list?.[0]),
  };
}

/** A distinguished name with nothing but a common name, shortened to what the standard allows. */
export const commonName = (text: string): Der =>
  sequence(set(sequence(oid(OID.commonName), utf8String(utf8Encode(text.slice(0, COMMON_NAME_MAX))))));

/** RFC 7093 method 1: the first 160 bits of the key's SHA-256. */
export const keyIdentifier = (crypto: Crypto, spkiDer: Uint8Array): Uint8Array =>
  crypto.sha256(readPublicKey(spkiDer).keyBytes).slice(0, 20);

/** 16 octets, positive and never zero. */
export function randomSerial(crypto: Crypto): Uint8Array {
  const serial = crypto.randomBytes(SERIAL_BYTES).slice();
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  return serial;
}

export interface CertificateFields {
  readonly serial: Uint8Array;
  readonly issuerDer: Uint8Array;
  readonly subject: Der;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly spkiDer: Uint8Array;
  readonly extensions: Der;
}

/** Encodes and signs; the signer's public key must belong to its private one (asserted by verifying the result). */
export function signCertificate(crypto: Crypto, signer: KeyPair, fields: CertificateFields): Uint8Array {
  const algorithm = signatureAlgorithm(readPublicKey(signer.spkiDer).algorithm);
  const tbs = sequence(
    explicit(0, unsigned(Uint8Array.of(2))),
    unsigned(fields.serial),
    algorithm,
    decodeDer(fields.issuerDer, "the issuer's name"),
    sequence(time(fields.notBeforeMs), time(fields.notAfterMs)),
    fields.subject,
    decodeDer(fields.spkiDer, "the public key"),
    fields.extensions,
  );
  const tbsDer = encodeDer(tbs);
  const signature = crypto.sign(signer.privateKeyPem, tbsDer);
  assert(crypto.verify(signer.spkiDer, tbsDer, signature), "the issuer's key does not belong to its certificate");
  return encodeDer(sequence(tbs, algorithm, bits(signature)));
}
