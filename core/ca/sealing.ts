/**
 * How the cluster's secrets lie in the log and in snapshots: AES-256-GCM under the seal key, which is in neither
 * (pitfall 35). The context binds a sealed secret to its kind and its cluster: one cannot be put in another's place,
 * nor carried over into another cluster that happens to have the same seal key.
 */
import { fromBase64, toBase64, utf8Decode, utf8Encode } from "../base/bytes.ts";
import type { Crypto } from "../base/crypto.ts";
import { MeshError } from "../base/errors.ts";

const SEAL_KEY_BYTES = 32;

export type SecretKind = "ca-key" | "gossip-key";

export interface Secret {
  readonly what: SecretKind;
  readonly clusterId: string;
  /** PEM of the CA's key, or base64 of the gossip key. */
  readonly text: string;
}

const contextOf = (what: SecretKind, clusterId: string): string => `mesh/${what}/${clusterId}`;

/** 32 random bytes as the text that seal.key holds. */
export const createSealKey = (crypto: Crypto): string => `${toBase64(crypto.randomBytes(SEAL_KEY_BYTES))}\n`;

/** Reads seal.key; throws INVALID_CONFIG without showing what it holds. */
export function parseSealKey(text: string): Uint8Array {
  const key = fromBase64(text.trim());
  if (key?.length === SEAL_KEY_BYTES) return key;
  throw new MeshError("INVALID_CONFIG", "the seal key is not the base64 of 32 bytes", {
    fix: "copy seal.key from the data folder of another server of this cluster (mode 0600)",
  });
}

/** Base64 of nonce, tag and ciphertext. */
export function sealSecret(crypto: Crypto, sealKey: Uint8Array, { what, clusterId, text }: Secret): string {
  return toBase64(crypto.seal(sealKey, utf8Encode(text), contextOf(what, clusterId)));
}

/** What was sealed; throws INVALID_CONFIG when the key is another cluster's or the bytes were changed. */
export function openSecret(
  crypto: Crypto, sealKey: Uint8Array, sealed: { what: SecretKind; clusterId: string; sealed: string },
): string {
  const bytes = fromBase64(sealed.sealed);
  const plain = bytes && crypto.open(sealKey, bytes, contextOf(sealed.what, sealed.clusterId));
  const text = plain && utf8Decode(plain);
  if (text !== undefined) return text;
  throw new MeshError("INVALID_CONFIG", `the seal key does not open the cluster's ${sealed.what}`, {
    fix: "put the seal.key of this cluster's servers into the data folder (mode 0600) and start again",
  });
}
