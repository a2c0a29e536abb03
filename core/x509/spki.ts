/** Public keys as certificates carry them: P-256 for everybody, RSA of 2048 bits or more on request, nothing else. */
import type { KeyAlgorithm } from "../base/crypto.ts";
import { decodeDer, malformed, nothing, oid, readBits, readChildren, readInteger, readOid, sequence } from "./der.ts";
import type { Der } from "./der.ts";
import { OID } from "./oids.ts";

const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;
const P256_POINT_BYTES = 65;

export interface PublicKey {
  readonly algorithm: KeyAlgorithm;
  /** Contents of the BIT STRING: what key identifiers are made of. */
  readonly keyBytes: Uint8Array;
}

function modulusBits(key: Uint8Array): number {
  const modulus = readInteger(readChildren(decodeDer(key, "the RSA key"), "the RSA key")[0], "the RSA modulus");
  const start = modulus[0] === 0 ? 1 : 0;
  const top = modulus[start] ?? 0;
  return (modulus.length - start - 1) * 8 + (32 - Math.clz32(top));
}

/** Reads a SubjectPublicKeyInfo; throws INVALID for a kind or size of key that the mesh does not use. */
export function readPublicKey(spkiDer: Uint8Array): PublicKey {
  const [algorithm, key] = readChildren(decodeDer(spkiDer, "the public key"), "the public key");
  const [kind, parameters] = readChildren(algorithm, "the public key's algorithm");
  const { bytes: keyBytes, unused } = readBits(key, "the public key");
  if (unused !== 0) malformed("the public key is not a whole number of bytes");
  const name = readOid(kind, "the public key's algorithm");
  if (name === OID.ecPublicKey) {
    if (readOid(parameters, "the public key's curve") !== OID.p256) malformed("the public key's curve is not P-256");
    if (keyBytes.length !== P256_POINT_BYTES || keyBytes[0] !== 4) malformed("the public key is no P-256 point");
    return { algorithm: "ec-p256", keyBytes };
  }
  if (name !== OID.rsaEncryption) malformed(`the public key is of kind ${name}: use ECDSA P-256 or RSA`);
  const size = modulusBits(keyBytes);
  if (size < RSA_BITS_MIN || size > RSA_BITS_MAX) malformed(`the RSA key has ${size} bits: use ${RSA_BITS_MIN}`);
  return { algorithm: "rsa-2048", keyBytes };
}

const SIGNATURE_OID: Record<KeyAlgorithm, string> = { "ec-p256": OID.ecdsaSha256, "rsa-2048": OID.rsaSha256 };

/** The identifier of the signatures that a key of this kind makes (SHA-256 always). */
export const signatureOid = (algorithm: KeyAlgorithm): string => SIGNATURE_OID[algorithm];

/** AlgorithmIdentifier: RSA's has a NULL, ECDSA's has no parameters (RFC 3279, RFC 5758). */
export const signatureAlgorithm = (algorithm: KeyAlgorithm): Der =>
  algorithm === "ec-p256" ? sequence(oid(OID.ecdsaSha256)) : sequence(oid(OID.rsaSha256), nothing());
