import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fromBase64 } from "../core/base/bytes.ts";
import { DAY_MS } from "../core/base/time.ts";
import { nodeSpiffeId, serverSpiffeId } from "../core/model/spiffe.ts";
import { parseCertificate } from "../core/x509/certificate.ts";
import { verifyCsr } from "../core/x509/csr.ts";
import { createRoot, signLeaf } from "../core/x509/issue.ts";
import { decodePem } from "../core/x509/pem.ts";
import { nodeCrypto } from "../io/crypto.ts";
import { createLogger } from "../io/logger.ts";
import { serverTlsOptions } from "../io/tls/context.ts";
import { loadCredentials, type NodeCredentials } from "./credentials.ts";
import { NodeRenewal } from "./node-renewal.ts";
import { ServerLink } from "./server-link.ts";

const TD = "t.mesh";
const log = createLogger({ name: "t", level: "silent" });
const nowMs = Date.now();
const root = createRoot(nodeCrypto, { trustDomain: TD, nowMs: nowMs - 100 * DAY_MS });
const issuer = { issuerCertPem: root.certPem, issuerKeyPem: root.privateKeyPem };
const pair = nodeCrypto.generateKeyPair("ec-p256");
const leaf = (spiffeId: string, spkiDer: Uint8Array, fromMs: number): string =>
  signLeaf(nodeCrypto, { ...issuer, spkiDer, spiffeId, dnsNames: [], nowMs: fromMs, ttlMs: 30 * DAY_MS }).certPem;

let folder: string;
const cleanups: (() => void)[] = [];
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), "mesh-renew-")); });
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
  rmSync(folder, { recursive: true });
});

/** What a server does for an expired certificate, as far as this host sees it; it counts what it was asked. */
async function serve(name: string): Promise<{ address: string; asked: () => number }> {
  let asked = 0;
  const tls = { rootsPem: [root.certPem], keyPem: pair.privateKeyPem, chainPem: leaf(name, pair.spkiDer, nowMs) };
  const server = createServer(serverTlsOptions(tls, { clientCertificate: "none" }), (req, res) => {
    asked++;
    let text = "";
    req.on("data", (part: Buffer) => { text += part.toString(); });
    req.on("end", () => {
      const { chain_pem, csr } = JSON.parse(text) as { chain_pem: string; csr: string };
      const { spkiDer } = verifyCsr(nodeCrypto, fromBase64(csr)!);
      const old = parseCertificate(decodePem(chain_pem)[0]!);
      const same = Buffer.from(spkiDer).equals(old.spkiDer);
      const chain = leaf(nodeSpiffeId(TD, "n1"), spkiDer, Date.now());
      const answer = { chain_pem: chain, roots_pem: [root.certPem], grpc_servers: ["127.0.0.1:2"] };
      res.writeHead(same ? 200 : 403).end(JSON.stringify(answer));
    });
  });
  cleanups.push(() => server.close());
  await new Promise<void>((done) => { server.listen(0, "127.0.0.1", done); });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked };
}

function start(httpsServers: readonly string[], fromMs: number): { link: ServerLink; renewal: NodeRenewal } {
  const key = nodeCrypto.generateKeyPair("ec-p256");
  const credentials: NodeCredentials = {
    node: "n1", trustDomain: TD, clusterId: "c", chainPem: leaf(nodeSpiffeId(TD, "n1"), key.spkiDer, fromMs),
    keyPem: key.privateKeyPem, rootsPem: [root.certPem], gossipKey: "", servers: ["127.0.0.1:1"], httpsServers,
    ticketId: "t",
  };
  const link = new ServerLink(credentials);
  const renewal = new NodeRenewal({ dataDir: folder, link, log, onChange: () => undefined });
  cleanups.push(() => {
    renewal.close();
    link.close();
  });
  return { link, renewal };
}

test("a host that was off for weeks renews its expired certificate by proof of its key", async () => {
  const { address } = await serve(serverSpiffeId(TD, "s1"));
  const { link, renewal } = start([address], nowMs - 60 * DAY_MS);
  expect(renewal.status().alarm).toBe(true);
  await expect.poll(() => renewal.status().notAfterMs, { timeout: 5_000 }).toBeGreaterThan(nowMs + 29 * DAY_MS);
  expect(link.credentials.servers).toEqual(["127.0.0.1:2"]);
  expect(loadCredentials(folder, "n1")).toEqual(link.credentials);
});

test("pitfall 36: a server that carries a host's identity is not asked anything", async () => {
  const { address, asked } = await serve(nodeSpiffeId(TD, "evil"));
  const { renewal } = start([address], nowMs - 60 * DAY_MS);
  await expect.poll(() => renewal.status().lastError, { timeout: 5_000 }).toMatch(/the peer is node evil/);
  expect(asked()).toBe(0);
});

test("a fresh certificate is left alone for a day; an empty list of roots never takes the known ones away", () => {
  const { link, renewal } = start([], nowMs);
  expect(renewal.status()).toMatchObject({ alarm: false, lastError: "" });
  renewal.learn([], { allow: [], trustDomain: TD, clusterId: "c", servers: [] });
  expect(link.credentials.rootsPem).toEqual([root.certPem]);
  renewal.learn([{ id: "r2", pem: root.certPem, active: true }], undefined);
  renewal.learn([], { allow: [], trustDomain: TD, clusterId: "c", servers: ["127.0.0.1:9"] });
  expect(link.credentials.servers).toEqual(["127.0.0.1:9"]);
  expect(loadCredentials(folder, "n1")).toEqual(link.credentials);
});
