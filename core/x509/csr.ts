/**
 * Certificate requests (PKCS #10, RFC 2986). A request proves that its sender holds the key, and nothing else: the
 * identity comes from who sent it, so whatever names or extensions it asks for are never looked at (pitfall 32).
 */
import type { Crypto } from "../base/crypto.ts";
import { commonName } from "./certificate.ts";
import {
  bits, decodeDer, encodeDer, explicit, malformed, oid, readBits, readChildren, readExplicit, readInteger, readOid,
  readSequenceDer, sequence, set, unsigned,
} from "./der.ts";
import { subjectAltNameExtension } from "./extensions.ts";
import { OID } from "./oids.ts";
import { readPublicKey, signatureAlgorithm, signatureOid } from "./spki.ts";

export interface CsrOptions {
  readonly privateKeyPem: string;
  readonly spkiDer: Uint8Array;
  readonly spiffeId: string;
}

/** DER of a request; the SPIFFE ID in it is for people and other CAs to read. */
export function createCsr(crypto: Crypto, { privateKeyPem, spkiDer, spiffeId }: CsrOptions): Uint8Array {
  const info = sequence(
    unsigned(Uint8Array.of(0)),
    commonName(spiffeId.slice(spiffeId.lastIndexOf("/") + 1)),
    decodeDer(spkiDer, "the public key"),
    explicit(0, sequence(oid(OID.extensionRequest), set(sequence(subjectAltNameExtension(spiffeId, []))))),
  );
  const signature = crypto.sign(privateKeyPem, encodeDer(info));
  return encodeDer(sequence(info, signatureAlgorithm(readPublicKey(spkiDer).algorithm), bits(signature)));
}

/** The key whose possession the request proves; throws INVALID when it does not, or is malformed. */
export function verifyCsr(crypto: Crypto, der: Uint8Array): { spkiDer: Uint8Array } {
  const what = "the certificate request";
  const outer = readChildren(decodeDer(der, what), what);
  const [info, algorithm, signatureNode] = outer;
  const fields = readChildren(info, "the request's body");
  const [version, subject, spki, attributes] = fields;
  if (outer.length !== 3 || fields.length !== 4 || readExplicit(attributes, 0) === undefined) {
    malformed(`${what} has a wrong number of fields`);
  }
  if (readInteger(version, "the request's version").some((byte) => byte !== 0)) malformed(`${what} is not version 1`);
  readChildren(subject, "the request's subject");
  const spkiDer = readSequenceDer(spki, "the request's public key");
  const key = readPublicKey(spkiDer);
  const used = readOid(readChildren(algorithm, "the request's algorithm")[0], "the request's algorithm");
  if (used !== signatureOid(key.algorithm)) malformed(`${what} is signed with ${used}: use SHA-256`);
  const { bytes: signature } = readBits(signatureNode, "the request's signature");
  if (!crypto.verify(spkiDer, encodeDer(info!), signature)) {
    malformed(`${what} is not signed by the key that it carries`);
  }
  return { spkiDer };
}
