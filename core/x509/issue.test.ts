import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import "../../test/support/reflect-metadata.ts";
import * as peculiar from "@peculiar/x509";
import { beforeAll, describe, expect, test } from "vitest";
import { nodeCrypto } from "../../io/crypto.ts";
import { toHex } from "../base/bytes.ts";
import { InvariantError } from "../base/assert.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../base/time.ts";
import { parseCertificate } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { createRoot, rootId, signLeaf } from "./issue.ts";
import type { IssuedLeaf, IssuedRoot } from "./issue.ts";
import { KEY_USAGE, OID } from "./oids.ts";
import { decodePem } from "./pem.ts";

const TD = "c1.mesh";
const NOW = Date.UTC(2026, 10, 23, 5, 0, 0, 500);
const ID = `spiffe://${TD}/ns/default/sa/web`;
const DNS = ["web", `web.default.svc.${TD}`];
const pair = nodeCrypto.generateKeyPair("ec-p256");
const read = (pem: string): Certificate => parseCertificate(decodePem(pem)[0]!);

function issue(root: IssuedRoot, change: Partial<Parameters<typeof signLeaf>[1]> = {}): IssuedLeaf {
  return signLeaf(nodeCrypto, {
    issuerCertPem: root.certPem, issuerKeyPem: root.privateKeyPem, spkiDer: pair.spkiDer, spiffeId: ID, dnsNames: DNS,
    nowMs: NOW, ttlMs: 24 * HOUR_MS, ...change,
  });
}

let root: IssuedRoot;
let rsaRoot: IssuedRoot;
beforeAll(() => {
  root = createRoot(nodeCrypto, { trustDomain: TD, nowMs: NOW });
  rsaRoot = createRoot(nodeCrypto, { trustDomain: TD, nowMs: NOW, algorithm: "rsa-2048" });
});

describe("pitfall 29: a leaf is an X.509-SVID to the letter", () => {
  test("X509-SVID.md 2: exactly one URI SAN, first; then the DNS names", () => {
    const { uriSans, dnsSans } = read(issue(root).certPem).extensions;
    expect(uriSans).toEqual([ID]);
    expect(dnsSans).toEqual(DNS);
    expect(new X509Certificate(issue(root).certPem).subjectAltName).toBe(
      `URI:${ID}, DNS:web, DNS:web.default.svc.${TD}`);
  });

  test("X509-SVID.md 4.1 to 4.4: no CA, digitalSignature alone and critical, server and client authentication", () => {
    const { extensions: e } = read(issue(root).certPem);
    expect(e.basicConstraints).toEqual({ ca: false, pathLength: undefined });
    expect(e.keyUsage).toEqual({ bits: KEY_USAGE.digitalSignature, critical: true });
    expect(e.extendedKeyUsage).toEqual([OID.serverAuth, OID.clientAuth]);
    expect(e.unknownCritical).toEqual([]);
  });

  test("the serial number is random, positive, and has 64 bits at least", () => {
    const serials = Array.from({ length: 20 }, () => issue(root).serialHex);
    expect(new Set(serials).size).toBe(20);
    for (const serial of serials) {
      expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
      // The low and the high half differ between certificates: neither is a constant.
      expect(serials.filter((other) => other.slice(16) === serial.slice(16))).toHaveLength(1);
      expect(serials.filter((other) => other.slice(1, 16) === serial.slice(1, 16))).toHaveLength(1);
    }
    const { certPem, serialHex } = issue(root);
    expect(new X509Certificate(certPem).serialNumber.toLowerCase()).toBe(serialHex);
  });

  test("notBefore lies five minutes back, for clocks that lag; less for a short life", () => {
    const leaf = read(issue(root).certPem);
    expect(leaf.notBeforeMs).toBe(Math.floor((NOW - 5 * MINUTE_MS) / 1000) * 1000);
    expect(leaf.notAfterMs).toBe(NOW - 500 + 24 * HOUR_MS);
    expect(read(issue(root, { ttlMs: 20_000 }).certPem).notBeforeMs).toBe(NOW - 2_500);
  });

  test("the leaf lies inside its issuer's validity, at both ends", () => {
    const issuer = read(root.certPem);
    expect(read(issue(root).certPem).notBeforeMs).toBeGreaterThanOrEqual(issuer.notBeforeMs);
    const early = read(issue(root, { nowMs: issuer.notBeforeMs + 1000 }).certPem);
    expect(early.notBeforeMs).toBe(issuer.notBeforeMs);
    const late = issue(root, { nowMs: issuer.notAfterMs - HOUR_MS });
    expect(late.notAfterMs).toBe(issuer.notAfterMs);
    expect(read(late.certPem).notAfterMs).toBe(issuer.notAfterMs);
    for (const nowMs of [issuer.notAfterMs, issuer.notAfterMs + DAY_MS, issuer.notBeforeMs - 1]) {
      expect(() => issue(root, { nowMs })).toThrow(/signs nothing/);
    }
  });

  test("AKI is the issuer's SKI, SKI the key's own", () => {
    const { extensions: leaf } = read(issue(root).certPem);
    const { extensions: issuer } = read(root.certPem);
    expect(toHex(leaf.authorityKeyId!)).toBe(toHex(issuer.subjectKeyId!));
    expect(leaf.subjectKeyId).toHaveLength(20);
    expect(toHex(leaf.subjectKeyId!)).not.toBe(toHex(issuer.subjectKeyId!));
  });

  test("what is returned is what stands in the certificate", () => {
    const leaf = issue(root);
    const { notBeforeMs, notAfterMs, serialHex } = read(leaf.certPem);
    expect(leaf).toEqual({ certPem: leaf.certPem, notBeforeMs, notAfterMs, serialHex });
  });

  test.each([
    ["an ID without a path", { spiffeId: `spiffe://${TD}` }],
    ["no SPIFFE ID", { spiffeId: "https://x/y" }],
    ["a DNS name with a space", { dnsNames: ["a b"] }],
    ["an empty DNS name", { dnsNames: [""] }],
    ["a wildcard", { dnsNames: ["*.mesh"] }],
    ["no time at all", { ttlMs: 0 }],
    ["a time that is no number", { ttlMs: Number.NaN }],
    ["a key that is none", { spkiDer: Uint8Array.of(5, 0) }],
  ])("refuses %s", (_what, change) => {
    expect(() => issue(root, change)).toThrow(expect.objectContaining({ code: "INVALID" }));
  });

  test("another CA's key signs nothing under this CA's name", () => {
    expect(() => issue(root, { issuerKeyPem: pair.privateKeyPem })).toThrow(InvariantError);
  });
});

describe("the root", () => {
  test("X509-SVID.md 3: a signing certificate with the trust domain's ID, and nothing but signing", () => {
    const { extensions: e, notBeforeMs, notAfterMs, subjectDer, issuerDer } = read(root.certPem);
    expect(e.basicConstraints?.ca).toBe(true);
    expect(e.keyUsage).toEqual({ bits: KEY_USAGE.keyCertSign | KEY_USAGE.crlSign, critical: true });
    expect(e.uriSans).toEqual([`spiffe://${TD}`]);
    expect(e.extendedKeyUsage).toBeUndefined();
    expect(toHex(subjectDer)).toBe(toHex(issuerDer));
    expect(Math.round((notAfterMs - notBeforeMs) / DAY_MS)).toBe(3650);
    expect(new X509Certificate(root.certPem).subject).toMatch(/^CN=Mesh Root CA [0-9a-f]{16}$/);
  });

  test("its id is the SHA-256 of its DER, as others compute it", () => {
    expect(root.id).toBe(new X509Certificate(root.certPem).fingerprint256.replaceAll(":", "").toLowerCase());
    expect(rootId(nodeCrypto, root.certPem)).toBe(root.id);
  });

  test("two roots of one trust domain differ in name: a path is never built through the wrong one", () => {
    const other = createRoot(nodeCrypto, { trustDomain: TD, nowMs: NOW });
    expect(toHex(read(other.certPem).subjectDer)).not.toBe(toHex(read(root.certPem).subjectDer));
  });

  test("a given serial is written minimally", () => {
    const serial = Uint8Array.of(0, 0, 0x81);
    const made = createRoot(nodeCrypto, { trustDomain: TD, nowMs: NOW, serial });
    expect(read(made.certPem).serialHex).toBe("0081");
  });

  test("a text that is no trust domain is refused", () => {
    expect(() => createRoot(nodeCrypto, { trustDomain: "No/Domain", nowMs: NOW })).toThrow(/trust domain/);
  });
});

const openssl = spawnSync("openssl", ["version"]).status === 0;
const verifyWith = (caPem: string, leafPem: string): string => {
  const folder = mkdtempSync(join(tmpdir(), "svid-"));
  try {
    writeFileSync(join(folder, "ca.pem"), caPem);
    writeFileSync(join(folder, "leaf.pem"), leafPem);
    const args = ["verify", "-x509_strict", "-check_ss_sig", "-attime", String(Math.floor(NOW / 1000))];
    const purposes = ["sslserver", "sslclient"].map((purpose) => execFileSync(
      "openssl", [...args, "-purpose", purpose, "-CAfile", join(folder, "ca.pem"), join(folder, "leaf.pem")],
      { stdio: "pipe", encoding: "utf8" }));
    return purposes.map((line) => line.trim().split(" ").at(-1)).join();
  } finally {
    rmSync(folder, { recursive: true });
  }
};

describe("oracles", () => {
  test.skipIf(!openssl)("openssl verify -x509_strict accepts both kinds (skipped without Debian's openssl)", () => {
    expect(verifyWith(root.certPem, issue(root).certPem)).toBe("OK,OK");
    const spkiDer = read(rsaRoot.certPem).spkiDer;
    expect(verifyWith(rsaRoot.certPem, issue(rsaRoot, { spkiDer }).certPem)).toBe("OK,OK");
  });

  test("@peculiar/x509 reads every field alike and verifies the signatures", async () => {
    for (const ca of [root, rsaRoot]) {
      const { certPem, serialHex, notAfterMs } = issue(ca);
      const leaf = new peculiar.X509Certificate(certPem);
      const issuer = new peculiar.X509Certificate(ca.certPem);
      expect(leaf.serialNumber).toBe(serialHex);
      expect(leaf.notAfter.getTime()).toBe(notAfterMs);
      expect(leaf.issuer).toBe(issuer.subject);
      expect(await leaf.verify({ publicKey: issuer, date: new Date(NOW) })).toBe(true);
      expect(await issuer.verify({ publicKey: issuer, date: new Date(NOW) })).toBe(true);
      const names = leaf.getExtension(peculiar.SubjectAlternativeNameExtension)!.names.toJSON();
      expect(names).toEqual([{ type: "url", value: ID }, ...DNS.map((value) => ({ type: "dns", value }))]);
      const usage = leaf.getExtension(peculiar.KeyUsagesExtension)!;
      expect([usage.usages, usage.critical]).toEqual([peculiar.KeyUsageFlags.digitalSignature, true]);
    }
  });

  test("our own reader reads what @peculiar/x509 wrote", async () => {
    const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    const foreign = await peculiar.X509CertificateGenerator.createSelfSigned({
      name: "CN=other", keys, serialNumber: "01ff", notBefore: new Date(NOW), notAfter: new Date(NOW + DAY_MS),
      signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
      extensions: [
        new peculiar.BasicConstraintsExtension(true, 2, true),
        new peculiar.KeyUsagesExtension(peculiar.KeyUsageFlags.keyCertSign | peculiar.KeyUsageFlags.decipherOnly, true),
      ],
    });
    const ours = parseCertificate(new Uint8Array(foreign.rawData));
    expect(ours.serialHex).toBe("01ff");
    expect(ours.notAfterMs).toBe(Math.floor((NOW + DAY_MS) / 1000) * 1000);
    expect(ours.extensions.basicConstraints).toEqual({ ca: true, pathLength: 2 });
    expect(ours.extensions.keyUsage?.bits).toBe((1 << 5) | (1 << 8));
    expect(nodeCrypto.verify(ours.spkiDer, ours.tbsDer, ours.signature)).toBe(true);
  });
});
