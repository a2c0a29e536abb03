import "../../test/support/reflect-metadata.ts";
import * as peculiar from "@peculiar/x509";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../io/crypto.ts";
import { toHex } from "../base/bytes.ts";
import { HOUR_MS } from "../base/time.ts";
import { parseCertificate } from "./certificate.ts";
import { createCsr, verifyCsr } from "./csr.ts";
import { decodeDer, encodeDer, readChildren, sequence } from "./der.ts";
import { createRoot, signLeaf } from "./issue.ts";
import { decodePem } from "./pem.ts";
import { signatureAlgorithm } from "./spki.ts";

const ID = "spiffe://c1.mesh/ns/default/sa/web";
const pair = nodeCrypto.generateKeyPair("ec-p256");
const csr = createCsr(nodeCrypto, { ...pair, spiffeId: ID });
const INVALID = expect.objectContaining({ code: "INVALID" });

describe("pitfall 32: a request proves possession of its key", () => {
  test("what we write, we accept", () => {
    expect(toHex(verifyCsr(nodeCrypto, csr).spkiDer)).toBe(toHex(pair.spkiDer));
    const rsa = nodeCrypto.generateKeyPair("rsa-2048");
    const request = createCsr(nodeCrypto, { ...rsa, spiffeId: ID });
    expect(toHex(verifyCsr(nodeCrypto, request).spkiDer)).toBe(toHex(rsa.spkiDer));
  });

  test("a request with somebody else's key is refused", () => {
    const thief = nodeCrypto.generateKeyPair("ec-p256");
    const stolen = createCsr(nodeCrypto, { privateKeyPem: thief.privateKeyPem, spkiDer: pair.spkiDer, spiffeId: ID });
    expect(() => verifyCsr(nodeCrypto, stolen)).toThrow(/not signed by the key that it carries/);
  });

  test("a signature of another request is refused", () => {
    const other = createCsr(nodeCrypto, { ...pair, spiffeId: "spiffe://c1.mesh/ns/default/sa/other" });
    const [info, algorithm] = readChildren(decodeDer(csr, "x"), "x");
    const signature = readChildren(decodeDer(other, "x"), "x")[2]!;
    const mixed = encodeDer(sequence(info!, algorithm!, signature));
    expect(() => verifyCsr(nodeCrypto, mixed)).toThrow(/not signed by the key/);
  });

  test("a request that names another algorithm than its key's is refused", () => {
    const [info, , signature] = readChildren(decodeDer(csr, "x"), "x");
    const renamed = encodeDer(sequence(info!, signatureAlgorithm("rsa-2048"), signature!));
    expect(() => verifyCsr(nodeCrypto, renamed)).toThrow(/signed with 1\.2\.840\.113549\.1\.1\.11/);
  });

  test("any changed byte is refused, and with INVALID", () => {
    fc.assert(fc.property(fc.nat(csr.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const broken = csr.slice();
      broken[at] = broken[at]! ^ flip;
      expect(() => verifyCsr(nodeCrypto, broken)).toThrow(INVALID);
    }), { numRuns: 100 });
  });

  test("a weak or foreign key is refused before anything is verified", async () => {
    const { generateKeyPairSync } = await import("node:crypto");
    const weak = [
      generateKeyPairSync("rsa", { modulusLength: 1024 }), generateKeyPairSync("ec", { namedCurve: "secp256k1" }),
      generateKeyPairSync("ed25519"),
    ];
    const messages = weak.map(({ publicKey }) => {
      const spkiDer = publicKey.export({ type: "spki", format: "der" });
      // Signed by another key: were the kind of key not refused first, the message would be about the signature.
      const [info, algorithm, signature] = readChildren(decodeDer(csr, "x"), "x");
      const [version, subject, , attributes] = readChildren(info, "x");
      const body = sequence(version!, subject!, decodeDer(spkiDer, "x"), attributes!);
      try {
        verifyCsr(nodeCrypto, encodeDer(sequence(body, algorithm!, signature!)));
      } catch (error) {
        return (error as Error).message;
      }
      return "accepted";
    });
    expect(messages[0]).toContain("1024 bits");
    expect(messages[1]).toContain("P-256");
    expect(messages[2]).toContain("1.3.101.112");
  });
});

describe("pitfall 32: what a request asks for is ignored", () => {
  test("requested names, CA flag and usages do not reach the certificate", async () => {
    const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    const greedy = await peculiar.Pkcs10CertificateRequestGenerator.create({
      name: "CN=server.c1.mesh", keys, signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
      extensions: [
        new peculiar.BasicConstraintsExtension(true, 3, true),
        new peculiar.SubjectAlternativeNameExtension([{ type: "url", value: "spiffe://c1.mesh/server/s1" }]),
      ],
    });
    const { spkiDer } = verifyCsr(nodeCrypto, new Uint8Array(greedy.rawData));
    const nowMs = Date.UTC(2026, 0, 1);
    const root = createRoot(nodeCrypto, { trustDomain: "c1.mesh", nowMs });
    const { certPem } = signLeaf(nodeCrypto, {
      issuerCertPem: root.certPem, issuerKeyPem: root.privateKeyPem, spkiDer, spiffeId: ID, dnsNames: [], nowMs,
      ttlMs: HOUR_MS,
    });
    const { extensions } = parseCertificate(decodePem(certPem)[0]!);
    expect(extensions.uriSans).toEqual([ID]);
    expect(extensions.basicConstraints?.ca).toBe(false);
  });

  test("another CA's tool reads our request", async () => {
    const request = new peculiar.Pkcs10CertificateRequest(csr.slice());
    expect(await request.verify()).toBe(true);
    expect(request.getExtension("2.5.29.17")).toBeDefined();
  });
});
