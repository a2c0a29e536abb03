import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../io/crypto.ts";
import { build, caParts, days, leafParts, testCa, toPem, TRUST_DOMAIN } from "../../test/support/certificates.ts";
import type { Issuer, Parts } from "../../test/support/certificates.ts";
import type { Crypto } from "../base/crypto.ts";
import { HOUR_MS } from "../base/time.ts";
import { boolean, encodeDer, explicit, implicit, octets, oid, sequence, unsigned } from "./der.ts";
import type { Der } from "./der.ts";
import {
  basicConstraintsExtension, extendedKeyUsageExtension, keyUsageExtension, subjectAltNameExtension,
} from "./extensions.ts";
import { parseCertificate } from "./certificate.ts";
import { KEY_USAGE, OID } from "./oids.ts";
import { decodePem } from "./pem.ts";
import { issuerFault, leafFault, SVID_FAULTS } from "./profile.ts";
import { verifyLeaf, verifySvid } from "./verify.ts";
import type { SvidCheck } from "./verify.ts";

const NOW = Date.UTC(2026, 10, 23, 5);
const ca = testCa(NOW);
const { digitalSignature, keyCertSign, crlSign } = KEY_USAGE;
const seen = new Set<string>();

function verdict(leaf: Issuer, change: Partial<SvidCheck> = {}): string {
  const result = verifySvid(nodeCrypto, {
    leafDer: leaf.der, chainDers: [], rootDers: [ca.der], nowMs: NOW, trustDomain: TRUST_DOMAIN, ...change,
  });
  if (result.ok) return "ok";
  seen.add(result.reason);
  return result.reason;
}
const leafWith = (change: Parts): Issuer => build(ca, { ...leafParts(), ...change });
const names = (...list: Der[]): Der => sequence(oid(OID.subjectAltName), octets(encodeDer(sequence(...list))));
const uri = (text: string): Der => implicit(6, Buffer.from(text));
const unknown = (critical: boolean): Der =>
  sequence(oid("1.3.6.1.4.1.99999.1"), ...(critical ? [boolean(true)] : []), octets(Uint8Array.of(5, 0)));

describe("pitfall 30: the leaf's profile, each rule with its own reason", () => {
  test("a good leaf names its holder", () => {
    const result = verifySvid(nodeCrypto, {
      leafDer: leafWith({}).der, chainDers: [], rootDers: [ca.der], nowMs: NOW, trustDomain: TRUST_DOMAIN,
    });
    const id = { trustDomain: TRUST_DOMAIN, kind: "service", namespace: "default", name: "web" };
    expect(result).toEqual({ ok: true, id, notAfterMs: NOW + HOUR_MS });
  });

  test.each<[string, Parts]>([
    ["no_uri_san", { names: undefined }],
    ["no_uri_san", { names: names(implicit(2, Buffer.from("web"))) }],
    ["several_uri_sans", { names: names(uri("spiffe://test.mesh/ns/a/sa/b"), uri("spiffe://test.mesh/ns/a/sa/c")) }],
    ["several_uri_sans", { names: names(uri("spiffe://test.mesh/ns/a/sa/b"), uri("https://x/")) }],
    ["not_a_spiffe_id", { names: subjectAltNameExtension("https://test.mesh/ns/default/sa/web", []) }],
    ["not_a_spiffe_id", { names: subjectAltNameExtension("spiffe://test.mesh/ns/default/../sa/web", []) }],
    ["no_path", { names: subjectAltNameExtension("spiffe://test.mesh", []) }],
    ["foreign_trust_domain", { names: subjectAltNameExtension("spiffe://test.mesh.evil/ns/default/sa/web", []) }],
    ["foreign_trust_domain", { names: subjectAltNameExtension("spiffe://other/ns/default/sa/web", []) }],
    ["unknown_identity", { names: subjectAltNameExtension("spiffe://test.mesh/admin", []) }],
    ["leaf_is_ca", { basicConstraints: basicConstraintsExtension(true) }],
    ["leaf_no_key_usage", { keyUsage: undefined }],
    ["leaf_key_usage_not_critical", { keyUsage: notCritical(keyUsageExtension(digitalSignature)) }],
    ["leaf_no_digital_signature", { keyUsage: keyUsageExtension(1 << 2) }],
    ["leaf_signs_certificates", { keyUsage: keyUsageExtension(digitalSignature | keyCertSign) }],
    ["leaf_signs_crls", { keyUsage: keyUsageExtension(digitalSignature | crlSign) }],
    ["leaf_extended_key_usage", { extendedKeyUsage: extendedKeyUsageExtension([OID.serverAuth]) }],
    ["leaf_extended_key_usage", { extendedKeyUsage: extendedKeyUsageExtension([OID.clientAuth]) }],
    ["unknown_critical_extension", { more: [unknown(true)] }],
    ["malformed", { names: subjectAltNameExtension("spiffe://test.mesh/ns/default/sa/web\0", []) }],
    ["malformed", { names: names() }],
    ["malformed", { more: [unknown(false), unknown(false)] }],
    ["ok", { more: [unknown(false)] }],
    ["ok", { extendedKeyUsage: undefined }],
    ["ok", { basicConstraints: undefined }],
    ["ok", { keyIds: false }],
    ["ok", { names: names(implicit(2, Buffer.from("web")), uri("spiffe://test.mesh/ns/default/sa/web")) }],
    ["ok", { names: names(uri("spiffe://test.mesh/node/h1"), explicit(0, oid("1.2.3"), explicit(0, sequence()))) }],
  ])("%s", (expected, parts) => {
    expect(verdict(leafWith(parts))).toBe(expected);
  });

  test("pitfall 36: a host's and a server's identity are told apart", () => {
    const kindOf = (path: string): string | undefined => {
      const result = verifyLeaf(build(ca, leafParts(path)).der, { nowMs: NOW, trustDomain: TRUST_DOMAIN });
      return result.ok ? result.id.kind : result.reason;
    };
    expect(kindOf("node/h1")).toBe("node");
    expect(kindOf("server/h1")).toBe("server");
    expect(kindOf("ns/server/sa/h1")).toBe("service");
    expect(kindOf("servers/h1")).toBe("unknown_identity");
  });
});

function notCritical(extension: Der): Der {
  const [id, , value] = children(extension);
  return sequence(id!, value!);
}
const children = (node: Der): Der[] => node.value as Der[];

describe("pitfall 37: nothing is accepted outside its time", () => {
  const leaf = leafWith({});
  test.each([
    ["not_yet_valid", -HOUR_MS - 1], ["ok", -HOUR_MS], ["ok", HOUR_MS], ["expired", HOUR_MS + 1],
  ])("%s at %d ms from now", (expected, shift) => {
    const longLived = build(ca, { ...caParts("wide"), notBeforeMs: NOW - days(9), notAfterMs: NOW + days(9) });
    const inner = build(longLived, leafParts());
    expect(verdict(inner, { rootDers: [longLived.der], nowMs: NOW + shift })).toBe(expected);
  });

  test("a grace lets an expired leaf pass for that long and no longer, and never an expired root", () => {
    const expiredGraceMs = days(90);
    expect(verdict(leaf, { nowMs: NOW + days(90), expiredGraceMs })).toBe("ok");
    expect(verdict(leaf, { nowMs: NOW + HOUR_MS + days(90) + 1, expiredGraceMs })).toBe("expired");
    expect(verdict(leaf, { nowMs: NOW + days(3651), expiredGraceMs: days(9999) })).toBe("expired");
  });
});

describe("pitfall 30: the path", () => {
  const middle = build(ca, caParts("middle"));
  const leaf = build(middle, leafParts());
  const under = (change: Parts): string => {
    const issuer = build(ca, { ...caParts("odd"), ...change });
    return verdict(build(issuer, leafParts()), { chainDers: [issuer.der] });
  };

  test("through an intermediate, in any order, with the root or a stranger among them", () => {
    const stranger = testCa(NOW);
    expect(verdict(leaf, { chainDers: [middle.der] })).toBe("ok");
    expect(verdict(leaf, { chainDers: [stranger.der, ca.der, middle.der] })).toBe("ok");
    expect(verdict(leaf, { chainDers: [middle.der], rootDers: [stranger.der, ca.der] })).toBe("ok");
  });

  test("unknown_issuer: a missing intermediate, a foreign root, no root", () => {
    expect(verdict(leaf)).toBe("unknown_issuer");
    expect(verdict(leaf, { chainDers: [middle.der], rootDers: [testCa(NOW).der] })).toBe("unknown_issuer");
    expect(verdict(leaf, { chainDers: [middle.der], rootDers: [] })).toBe("unknown_issuer");
    const foreign = testCa(NOW);
    expect(verdict(build(foreign, leafParts()), { chainDers: [foreign.der] })).toBe("unknown_issuer");
  });

  test("bad_signature: an issuer of the same name with another key", () => {
    const twin = build(ca, { ...caParts("middle"), keyIds: false });
    expect(verdict(build(middle, { ...leafParts(), keyIds: false }), { chainDers: [twin.der] })).toBe("bad_signature");
  });

  test("bad_signature: a changed byte in the signed part", () => {
    const good = leafWith({});
    const text = Buffer.from(good.der).toString("latin1");
    const at = text.indexOf("sa/web") + 3;
    const forged = Uint8Array.from(good.der);
    forged[at] = "x".charCodeAt(0);
    expect(verdict({ ...good, der: forged })).toBe("bad_signature");
  });

  test("unsupported_signature: an algorithm that is not the issuer's", () => {
    const rsa = nodeCrypto.generateKeyPair("rsa-2048");
    const rsaCa = build(ca, { ...caParts("one"), pair: rsa, keyIds: false });
    const ecCa = build(ca, { ...caParts("one"), keyIds: false });
    const leafOfRsa = build(rsaCa, { ...leafParts(), keyIds: false });
    expect(verdict(leafOfRsa, { chainDers: [rsaCa.der] })).toBe("ok");
    expect(verdict(leafOfRsa, { chainDers: [ecCa.der] })).toBe("unsupported_signature");
  });

  test("an issuer that may not issue", () => {
    expect(under({})).toBe("ok");
    expect(under({ basicConstraints: undefined })).toBe("issuer_not_ca");
    expect(under({ basicConstraints: basicConstraintsExtension(false) })).toBe("issuer_not_ca");
    expect(under({ keyUsage: undefined })).toBe("issuer_no_cert_sign");
    expect(under({ keyUsage: keyUsageExtension(digitalSignature | crlSign) })).toBe("issuer_no_cert_sign");
    expect(under({ names: subjectAltNameExtension("spiffe://other", []) })).toBe("issuer_spiffe_id");
    expect(under({ names: subjectAltNameExtension("spiffe://test.mesh/ns/a/sa/b", []) })).toBe("issuer_spiffe_id");
    expect(under({ more: [unknown(true)] })).toBe("unknown_critical_extension");
    expect(under({ notAfterMs: NOW - 1000 })).toBe("expired");
    expect(under({ notBeforeMs: NOW + 1000 })).toBe("not_yet_valid");
    expect(under({ names: undefined })).toBe("ok");
  });

  test("a leaf issues nothing: the classic forgery of a chain", () => {
    const holder = leafWith({});
    const forged = build(holder, leafParts("server/s1"));
    expect(verdict(forged, { chainDers: [holder.der] })).toBe("issuer_not_ca");
  });

  test("issuer_path_length: a CA that may have only leaves below it", () => {
    const zero = sequence(oid(OID.basicConstraints), boolean(true),
      octets(encodeDer(sequence(boolean(true), unsigned(Uint8Array.of(0))))));
    const last = build(ca, { ...caParts("last"), basicConstraints: zero });
    expect(verdict(build(last, leafParts()), { chainDers: [last.der] })).toBe("ok");
    const below = build(last, caParts("below"));
    expect(verdict(build(below, leafParts()), { chainDers: [below.der, last.der] })).toBe("issuer_path_length");
  });

  test("chain_too_long: depth, breadth and effort are bounded", () => {
    const chain: Issuer[] = [];
    for (let i = 0; i < 5; i++) chain.unshift(build(chain[0] ?? ca, caParts(`level ${i}`)));
    const chainDers = chain.map((one) => one.der);
    expect(verdict(build(chain[1]!, leafParts()), { chainDers: chainDers.slice(1) })).toBe("ok");
    expect(verdict(build(chain[0]!, leafParts()), { chainDers })).toBe("chain_too_long");
    expect(verdict(leaf, { chainDers: Array.from({ length: 9 }, () => middle.der) })).toBe("chain_too_long");
  });

  test("intermediates that sign one another in a circle end the search", () => {
    const a = build(ca, { ...caParts("a"), keyIds: false });
    const b = build(a, { ...caParts("b"), keyIds: false });
    const aByB = build(b, { ...caParts("a"), pair: a.pair, keyIds: false });
    const stray = build(a, { ...leafParts(), keyIds: false });
    const chainDers = [aByB.der, b.der, a.der];
    expect(verdict(stray, { chainDers, rootDers: [testCa(NOW).der] })).toBe("unknown_issuer");
    expect(verdict(stray, { chainDers })).toBe("ok");
  });

  test("a chain made to be searched for ever costs 16 signatures at most", () => {
    const pair = nodeCrypto.generateKeyPair("ec-p256");
    const first = build(ca, { ...caParts("twin"), pair, keyIds: false });
    const twins = Array.from({ length: 8 }, () => build(first, { ...caParts("twin"), pair, keyIds: false }));
    const stray = build(first, { ...leafParts(), keyIds: false });
    let verified = 0;
    const counting: Crypto = { ...nodeCrypto, verify: (...given) => (verified++, nodeCrypto.verify(...given)) };
    const result = verifySvid(counting, {
      leafDer: stray.der, chainDers: twins.map((one) => one.der), rootDers: [ca.der], nowMs: NOW,
      trustDomain: TRUST_DOMAIN,
    });
    expect(result).toEqual({ ok: false, reason: "chain_too_long" });
    expect(verified).toBe(16);
  });

  test("pitfall 33: during a rotation old and new leaves pass where either root is trusted", () => {
    const fresh = testCa(NOW);
    // The new root's name and key, signed by the old root.
    const subject = decodeName(fresh.der);
    const cross = build(ca, { ...caParts(subject), pair: fresh.pair });
    const newLeaf = build(fresh, leafParts());
    expect(verdict(newLeaf, { rootDers: [fresh.der] })).toBe("ok");
    expect(verdict(newLeaf, { chainDers: [cross.der], rootDers: [ca.der] })).toBe("ok");
    expect(verdict(leafWith({}), { chainDers: [cross.der], rootDers: [ca.der, fresh.der] })).toBe("ok");
    expect(verdict(newLeaf, { rootDers: [ca.der] })).toBe("unknown_issuer");
  });
});

const decodeName = (der: Uint8Array): string =>
  /Mesh Root CA [0-9a-f]{16}/.exec(Buffer.from(parseCertificate(der).subjectDer).toString("latin1"))![0];

test("malformed input is a reason, never a throw", () => {
  const good = leafWith({}).der;
  const bad = [new Uint8Array(), Uint8Array.of(0x30), good.slice(1), good.slice(0, -1), new Uint8Array(70_000)];
  for (const leafDer of bad) {
    expect(verdict({ ...ca, der: leafDer })).toBe("malformed");
  }
  expect(verdict(leafWith({}), { chainDers: [Uint8Array.of(1)] })).toBe("malformed");
});

const VECTORS = join(import.meta.dirname, "../../../shared/vectors/spiffe/svid/x509svid/testdata");
const vector = (name: string): Uint8Array[] | undefined => {
  try {
    return decodePem(readFileSync(join(VECTORS, name), "utf8"));
  } catch {
    return undefined;
  }
};
const haveVectors = vector("good-leaf-only.pem") !== undefined;

/** go-spiffe's verdict: a good SVID, or the reason that we give for refusing it. */
describe.skipIf(!haveVectors)("go-spiffe's SVIDs (skipped without ../shared/vectors/spiffe)", () => {
  test.each([
    ["good-leaf-only.pem", "ok"],
    ["good-leaf-and-intermediate.pem", "ok"],
    ["good-key-and-cert.pem", "ok"],
    ["good-cert-and-key.pem", "ok"],
    ["wrong-leaf-ca-true.pem", "leaf_is_ca"],
    ["wrong-leaf-cert-sign.pem", "leaf_signs_certificates"],
    ["wrong-leaf-crl-sign.pem", "leaf_signs_crls"],
    ["wrong-leaf-empty-id.pem", "no_uri_san"],
    // It may sign certificates and lists instead: two rules are broken, and this one is looked at first.
    ["wrong-leaf-no-digital-signature.pem", "leaf_signs_certificates"],
    ["wrong-intermediate-no-ca.pem", "issuer_not_ca"],
    ["wrong-intermediate-no-key-cert-sign.pem", "issuer_no_cert_sign"],
    ["corrupt-cert.pem", "malformed"],
    ["not-pem", "malformed"],
  ])("%s: %s", (name, expected) => {
    const outcome = ((): string => {
      try {
        const [leaf, ...issuers] = decodePem(readFileSync(join(VECTORS, name), "utf8")).map(parseCertificate);
        if (leaf === undefined) return "malformed";
        return leafFault(leaf) ?? issuers.map((one) => issuerFault(one)).find((fault) => fault !== undefined) ?? "ok";
      } catch (error) {
        expect(error).toMatchObject({ name: "MeshError" });
        return "malformed";
      }
    })();
    expect(outcome).toBe(expected);
  });
});

test("every reason can occur and is explained", () => {
  // Those two come from the TLS layer (io/tls/identity.ts).
  const elsewhere = ["no_certificate", "not_verified"];
  expect([...seen, ...elsewhere].sort()).toEqual(Object.keys(SVID_FAULTS).sort());
  expect(toPem(ca.der)).toBe(ca.pem);
});
