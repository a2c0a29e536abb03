import { expect, test } from "vitest";
import { nodeCrypto } from "../../io/crypto.ts";
import { build, days, leafParts, testCa, toPem, TRUST_DOMAIN } from "../../test/support/certificates.ts";
import type { Issuer } from "../../test/support/certificates.ts";
import { createCsr } from "./csr.ts";
import { verifyLateRenewal } from "./late-renewal.ts";
import type { LateRenewal } from "./late-renewal.ts";

const NOW = Date.UTC(2026, 10, 23);
const ca = testCa(NOW);
const ended = { notBeforeMs: NOW - days(50), notAfterMs: NOW - days(20) };
// The root must have been there when the certificate was made.
const old = build(ca, { ...leafParts("node/host-1"), ...ended });

const ask = (holder: Issuer, change: Partial<LateRenewal> = {}): { node: string } => verifyLateRenewal(nodeCrypto, {
  chainPem: toPem(holder.der), rootsPem: [ca.pem], trustDomain: TRUST_DOMAIN, nowMs: NOW,
  csrDer: createCsr(nodeCrypto, { ...holder.pair, spiffeId: "spiffe://test.mesh/node/host-1" }), ...change,
});

test("the holder of the old key is known again for 90 days", () => {
  expect(ask(old)).toEqual({ node: "host-1", spkiDer: expect.anything() as Uint8Array });
  expect(ask(old, { nowMs: NOW + days(70) }).node).toBe("host-1");
  expect(() => ask(old, { nowMs: NOW + days(70) + 1000 })).toThrow(/has expired/);
});

test("another key, another CA, or another kind of identity is not", () => {
  const thief = nodeCrypto.generateKeyPair("ec-p256");
  const csrDer = createCsr(nodeCrypto, { ...thief, spiffeId: "spiffe://test.mesh/node/host-1" });
  expect(() => ask(old, { csrDer })).toThrow(/not signed by the old certificate's key/);
  expect(() => ask(old, { rootsPem: [testCa(NOW).pem] })).toThrow(/no trusted root/);
  for (const path of ["server/s1", "ns/default/sa/web"]) {
    expect(() => ask(build(ca, { ...leafParts(path), ...ended }))).toThrow(/only a host's certificate/);
  }
  expect(() => ask(old, { chainPem: "" })).toThrow(/carries no certificate/);
});
