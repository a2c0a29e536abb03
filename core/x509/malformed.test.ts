import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../io/crypto.ts";
import { build, caParts, leafParts, testCa, TRUST_DOMAIN } from "../../test/support/certificates.ts";
import { bytesEqual, toBase64 } from "../base/bytes.ts";
import { MeshError } from "../base/errors.ts";
import { parseCertificate } from "./certificate.ts";
import { createCsr, verifyCsr } from "./csr.ts";
import { decodePem, firstCertificate } from "./pem.ts";
import { SVID_FAULTS } from "./profile.ts";
import { readPublicKey } from "./spki.ts";
import { verifySvid } from "./verify.ts";

/** Bytes from a stranger end in a reason or in a MeshError: never in another throw, never in acceptance. */

const NOW = Date.UTC(2026, 10, 23);
const ca = testCa(NOW);
const middle = build(ca, caParts("middle"));
const leaf = build(middle, leafParts());
const pair = nodeCrypto.generateKeyPair("ec-p256");
const csr = createCsr(nodeCrypto, { ...pair, spiffeId: "spiffe://test.mesh/ns/default/sa/web" });

const nothingElse = (run: () => unknown): void => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(MeshError);
  }
};

type Edit = (bytes: Uint8Array) => Uint8Array;
/** Ways in which bytes go wrong: flipped, cut, doubled, replaced, inserted. */
const edits: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })).map(([at, flip]): Edit => (bytes) => {
    const out = bytes.slice();
    out[at % out.length]! ^= flip;
    return out;
  }),
  fc.nat().map((at): Edit => (bytes) => bytes.slice(0, at % bytes.length)),
  fc.nat().map((at): Edit => (bytes) => bytes.slice(1 + (at % bytes.length))),
  fc.tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 })).map(([at, more]): Edit => (bytes) =>
    Uint8Array.from([...bytes.slice(0, at % bytes.length), ...more, ...bytes.slice(at % bytes.length)])),
  // Keeps lengths right: another type, class or content in the same place.
  fc.tuple(fc.nat(), fc.constantFrom(2, 3, 4, 5, 6, 0x0c, 0x17, 0x1e, 0x30, 0x31, 0x80, 0x82, 0xa0, 0xa3))
    .map(([at, tag]): Edit => (bytes) => {
      const out = bytes.slice();
      out[at % out.length] = tag;
      return out;
    }),
);

const RUNS = { numRuns: 200 };

/** The edited bytes; an edit that changes nothing does not count as a run. */
function changed(edit: Edit, bytes: Uint8Array): Uint8Array {
  const out = edit(bytes);
  fc.pre(!bytesEqual(out, bytes));
  return out;
}

describe("pitfall 30: certificates", () => {
  const verify = (leafDer: Uint8Array, chainDer: Uint8Array): ReturnType<typeof verifySvid> => verifySvid(nodeCrypto, {
    leafDer, chainDers: [chainDer], rootDers: [ca.der], nowMs: NOW, trustDomain: TRUST_DOMAIN,
  });

  test("an edited leaf is refused, with a reason of the list", () => {
    expect(verify(leaf.der, middle.der).ok).toBe(true);
    fc.assert(fc.property(edits, (edit) => {
      const result = verify(changed(edit, leaf.der), middle.der);
      expect(result.ok).toBe(false);
      if (!result.ok) expect(SVID_FAULTS).toHaveProperty(result.reason);
    }), RUNS);
  });

  test("an edited intermediate is refused", () => {
    fc.assert(fc.property(edits, (edit) => {
      expect(verify(leaf.der, changed(edit, middle.der)).ok).toBe(false);
    }), RUNS);
  });

  test("any bytes, and any bytes in a certificate's clothes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), edits, (bytes, edit) => {
      nothingElse(() => parseCertificate(bytes));
      nothingElse(() => parseCertificate(Uint8Array.of(0x30, 0x81, bytes.length, ...bytes)));
      nothingElse(() => readPublicKey(bytes));
      nothingElse(() => readPublicKey(edit(pair.spkiDer)));
    }), RUNS);
  });
});

describe("pitfall 32: requests", () => {
  test("an edited request is refused", () => {
    fc.assert(fc.property(edits, (edit) => {
      const bytes = changed(edit, csr);
      expect(() => verifyCsr(nodeCrypto, bytes)).toThrow(MeshError);
    }), RUNS);
  });
});

describe("PEM", () => {
  test("any text", () => {
    const lines = fc.constantFrom(
      "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "-----BEGIN EC PRIVATE KEY-----", "MIIB", "!!", "",
      toBase64(leaf.der),
    );
    fc.assert(fc.property(fc.array(fc.oneof(lines, fc.string())), (parts) => {
      nothingElse(() => decodePem(parts.join("\n")).map(parseCertificate));
    }), RUNS);
  });

  test("a block without an end, without base64, and a text without a block", () => {
    expect(() => decodePem("-----BEGIN CERTIFICATE-----\nAAAA")).toThrow(/no end/);
    expect(() => decodePem("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----")).toThrow(/not base64/);
    expect(() => firstCertificate("hello", "the file")).toThrow("the file holds no certificate");
    expect(() => decodePem("x".repeat(1024 * 1024 + 1))).toThrow(MeshError);
  });
});
