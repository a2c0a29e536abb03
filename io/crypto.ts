import {
  createCipheriv, createDecipheriv, createHash, createPublicKey, generateKeyPairSync, randomBytes, sign,
  timingSafeEqual, verify,
} from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Crypto, KeyAlgorithm, KeyPair } from "../core/base/crypto.ts";
import { utf8Encode } from "../core/base/bytes.ts";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";

function exportPair(pair: { privateKey: KeyObject; publicKey: KeyObject }): KeyPair {
  return {
    privateKeyPem: pair.privateKey.export({ type: "pkcs8", format: "pem" }),
    spkiDer: pair.publicKey.export({ type: "spki", format: "der" }),
  };
}

function generateKeyPair(algorithm: KeyAlgorithm): KeyPair {
  return algorithm === "ec-p256"
    ? exportPair(generateKeyPairSync("ec", { namedCurve: "P-256" }))
    : exportPair(generateKeyPairSync("rsa", { modulusLength: 2048 }));
}

function seal(key: Uint8Array, plaintext: Uint8Array, context: string): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(utf8Encode(context));
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

function open(key: Uint8Array, sealed: Uint8Array, context: string): Uint8Array | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  try {
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    decipher.setAAD(utf8Encode(context));
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** A key that cannot be read, or of a kind that has no use here, verifies nothing. */
function verifySignature(spkiDer: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(spkiDer), format: "der", type: "spki" });
    if (key.asymmetricKeyType !== "ec" && key.asymmetricKeyType !== "rsa") return false;
    return verify("sha256", data, key, signature);
  } catch {
    return false;
  }
}

/** core/base/crypto.ts by OpenSSL. */
export const nodeCrypto: Crypto = {
  sha256: (data) => createHash("sha256").update(data).digest(),
  randomBytes: (size) => randomBytes(size),
  generateKeyPair,
  sign: (privateKeyPem, data) => sign("sha256", data, privateKeyPem),
  verify: verifySignature,
  seal,
  open,
  timingSafeEqual: (a, b) => a.length === b.length && timingSafeEqual(a, b),
};
