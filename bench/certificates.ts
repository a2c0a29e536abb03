import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serviceSni, serviceSpiffeId } from "../core/model/spiffe.ts";
import { createRoot, signLeaf } from "../core/x509/issue.ts";
import { nodeCrypto } from "../io/crypto.ts";

export const TRUST_DOMAIN = "bench.mesh";

export interface Leaf {
  readonly spiffeId: string;
  readonly certPem: string;
  readonly keyPem: string;
  readonly notAfterMs: number;
  /** Paths of the above, and of both in one file as HAProxy wants them. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly bothFile: string;
}

/** One root and the certificates of the caller and the called, P-256, the same for every lane. */
export interface Certificates {
  readonly rootPem: string;
  readonly rootFile: string;
  readonly caller: Leaf;
  readonly called: Leaf;
  /** Server name of the called service. */
  readonly sni: string;
}

export function makeCertificates(folder: string): Certificates {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const nowMs = Date.now();
  const root = createRoot(nodeCrypto, { trustDomain: TRUST_DOMAIN, nowMs });
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const leaf = (name: string): Leaf => {
    const service = { namespace: "default", name };
    const pair = nodeCrypto.generateKeyPair("ec-p256");
    const spiffeId = serviceSpiffeId(TRUST_DOMAIN, service);
    const { certPem, notAfterMs } = signLeaf(nodeCrypto, {
      issuerCertPem: root.certPem, issuerKeyPem: root.privateKeyPem, spkiDer: pair.spkiDer, spiffeId,
      dnsNames: [serviceSni(TRUST_DOMAIN, service)], nowMs, ttlMs: 24 * 3_600_000,
    });
    const keyPem = pair.privateKeyPem;
    return {
      spiffeId, certPem, keyPem, notAfterMs, certFile: write(`${name}.crt`, certPem),
      keyFile: write(`${name}.key`, keyPem), bothFile: write(`${name}.pem`, certPem + keyPem),
    };
  };
  return {
    rootPem: root.certPem, rootFile: write("root.crt", root.certPem), caller: leaf("web"), called: leaf("api"),
    sni: serviceSni(TRUST_DOMAIN, { namespace: "default", name: "api" }),
  };
}
