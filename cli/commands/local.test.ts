/** Verbs against an API that answers what is set here. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { runCli } from "../run.ts";

/** Bodies by `METHOD /path`. */
async function answering(bodies: Readonly<Record<string, unknown>>) {
  const api = createServer((req, res) => {
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(bodies[`${req.method ?? ""} ${req.url!.split("?", 1)[0]!}`] ?? {}));
  }).listen(0, "127.0.0.1");
  await once(api, "listening");
  onTestFinished(() => void api.close());
  const env = { MESH_HTTP_ADDR: `127.0.0.1:${(api.address() as AddressInfo).port}` };
  return async (...words: string[]): Promise<{ code: number; out: string; err: string }> => {
    let out = "";
    let err = "";
    const code = await runCli(words, {
      env, stdin: Readable.from([]), signal: new AbortController().signal,
      stdout: { write: (text) => (out += text) }, stderr: { write: (text) => (err += text) },
    });
    return { code, out, err };
  };
}

test("ca roots and proxy-config speak snake_case", async () => {
  const root = { ID: "ab", Active: true, NotBefore: "2026-01-01T00:00:00Z", NotAfter: "2099-01-01T00:00:00Z",
    RootCert: "PEM" };
  const mesh = await answering({
    "GET /v1/connect/ca/roots": { TrustDomain: "c.mesh", Roots: [root] },
    "GET /v1/mesh/proxy-config/certs": [{ service: "default/web", spiffe_id: "spiffe://x", not_after: root.NotAfter }],
  });
  expect(JSON.parse((await mesh("ca", "roots", "--format", "json")).out)).toEqual([{ id: "ab", active: true,
    trust_domain: "c.mesh", not_before: root.NotBefore, not_after: root.NotAfter, pem: "PEM" }]);
  expect((await mesh("proxy-config", "certs")).out).toMatch(/web +spiffe:\/\/x +\d+d/);
});
