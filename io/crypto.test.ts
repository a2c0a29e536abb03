import { generateKeyPairSync } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesEqual, toHex, utf8Encode } from "../core/base/bytes.ts";
import { nodeCrypto } from "./crypto.ts";

const data = utf8Encode("a message");

describe("signatures", () => {
  test.each(["ec-p256", "rsa-2048"] as const)("%s: verifies what it signed, and nothing else", (algorithm) => {
    const pair = nodeCrypto.generateKeyPair(algorithm);
    const signature = nodeCrypto.sign(pair.privateKeyPem, data);
    expect(nodeCrypto.verify(pair.spkiDer, data, signature)).toBe(true);
    expect(nodeCrypto.verify(pair.spkiDer, utf8Encode("another"), signature)).toBe(false);
    expect(nodeCrypto.verify(pair.spkiDer, data, signature.slice(1))).toBe(false);
    expect(nodeCrypto.verify(pair.spkiDer, data, new Uint8Array())).toBe(false);
    expect(pair.privateKeyPem).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  });

  test("a key that cannot be read, or is of another kind, verifies nothing and does not throw", () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    const ed25519 = publicKey.export({ type: "spki", format: "der" });
    for (const key of [new Uint8Array(), Uint8Array.of(0x30, 0), ed25519]) {
      expect(nodeCrypto.verify(key, data, new Uint8Array(64))).toBe(false);
    }
  });
});

describe("AES-256-GCM", () => {
  const key = nodeCrypto.randomBytes(32);

  test("opens what it sealed, only with the same key, context and bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.string(), fc.nat(), (plain, context, at) => {
      const sealed = nodeCrypto.seal(key, plain, context);
      expect(sealed).toHaveLength(12 + 16 + plain.length);
      expect(bytesEqual(nodeCrypto.open(key, sealed, context)!, plain)).toBe(true);
      expect(nodeCrypto.open(key, sealed, `${context}x`)).toBeUndefined();
      expect(nodeCrypto.open(nodeCrypto.randomBytes(32), sealed, context)).toBeUndefined();
      const broken = Uint8Array.from(sealed);
      broken[at % broken.length]! ^= 1;
      expect(nodeCrypto.open(key, broken, context)).toBeUndefined();
      expect(nodeCrypto.open(key, sealed.slice(0, at % 28), context)).toBeUndefined();
    }));
  });
});

test("SHA-256 and constant-time comparison", () => {
  // FIPS 180-2, appendix B.1.
  expect(toHex(nodeCrypto.sha256(utf8Encode("abc")))).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(nodeCrypto.timingSafeEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
  expect(nodeCrypto.timingSafeEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(nodeCrypto.timingSafeEqual(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
});
