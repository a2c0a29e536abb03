/** Cryptographic primitives that core/ needs; io/crypto.ts implements them with node:crypto. All synchronous. */
export interface Crypto {
  sha256(data: Uint8Array): Uint8Array;
  randomBytes(size: number): Uint8Array;
  /** `privateKeyPem` is PKCS#8, `spkiDer` the SubjectPublicKeyInfo. */
  generateKeyPair(algorithm: KeyAlgorithm): KeyPair;
  /** SHA-256 with ECDSA (DER signature) or RSA PKCS#1 v1.5, by the key's type. */
  sign(privateKeyPem: string, data: Uint8Array): Uint8Array;
  verify(spkiDer: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean;
  /** AES-256-GCM: nonce (12 bytes), tag (16 bytes), ciphertext in one piece. */
  seal(key: Uint8Array, plaintext: Uint8Array, context: string): Uint8Array;
  /** Returns undefined when the key, the context or the bytes are wrong. */
  open(key: Uint8Array, sealed: Uint8Array, context: string): Uint8Array | undefined;
  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean;
}

export type KeyAlgorithm = "ec-p256" | "rsa-2048";

export interface KeyPair {
  readonly privateKeyPem: string;
  readonly spkiDer: Uint8Array;
}
