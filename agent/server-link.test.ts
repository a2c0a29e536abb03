import { afterEach, expect, test, vi } from "vitest";
import { DAY_MS } from "../core/base/time.ts";
import { nodeSpiffeId } from "../core/model/spiffe.ts";
import { createRoot, signLeaf } from "../core/x509/issue.ts";
import { nodeCrypto } from "../io/crypto.ts";
import { ServerLink } from "./server-link.ts";

const TD = "test.mesh";

afterEach(() => {
  vi.useRealTimers();
});

test("the last contact is when a quiet connection ended, not when it began", () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const nowMs = Date.now();
  const root = createRoot(nodeCrypto, { trustDomain: TD, nowMs });
  const { privateKeyPem, spkiDer } = nodeCrypto.generateKeyPair("ec-p256");
  const { certPem } = signLeaf(nodeCrypto, {
    issuerCertPem: root.certPem, issuerKeyPem: root.privateKeyPem, spkiDer, spiffeId: nodeSpiffeId(TD, "n1"),
    dnsNames: [], nowMs, ttlMs: DAY_MS,
  });
  const link = new ServerLink({
    node: "n1", trustDomain: TD, clusterId: "c", chainPem: certPem, keyPem: privateKeyPem, rootsPem: [root.certPem],
    gossipKey: "", servers: ["127.0.0.1:1"], httpsServers: ["127.0.0.1:2"], ticketId: "t",
  });
  link.setConnected(true);
  vi.setSystemTime(nowMs + 60_000);
  link.setConnected(false, "gone");
  vi.setSystemTime(nowMs + 90_000);
  link.setConnected(false, "still gone");
  expect(link.status()).toMatchObject({ connected: false, lastContactMs: nowMs + 60_000, lastError: "still gone" });
  link.close();
});
