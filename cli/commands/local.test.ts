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

test("agent services: what is refused, in maintenance or without a certificate says so, and why", async () => {
  const entry = (ID: string, mesh: object): object =>
    ({ ID, Service: ID, Port: 1, Tags: [], Address: "", Mesh: { Status: "passing", CertNotAfter: "2099", ...mesh } });
  const mesh = await answering({ "GET /v1/agent/services": {
    api: entry("api", { CertNotAfter: "", Refused: { Message: "n1 may not be api", Fix: "allow it" } }),
    db: entry("db", { Status: "maintenance", Maintenance: "new disk" }),
    new: entry("new", { CertNotAfter: "", CertError: "no CA" }),
    web: entry("web", {}),
  } });
  const rows = JSON.parse((await mesh("agent", "services", "--format", "json")).out) as object[];
  expect(rows).toMatchObject([
    { id: "api", status: "refused", reason: "n1 may not be api (allow it)" },
    { id: "db", status: "maintenance", reason: "new disk" },
    { id: "new", status: "no certificate", reason: "no CA" }, { id: "web", status: "passing", reason: "" },
  ]);
  expect((await mesh("agent", "services")).out).toMatch(/api .* refused +n1 may not be api \(allow it\)/);
});

test("agent reload says what was loaded, and ends with 1 and the fix when the servers refuse some", async () => {
  const answer = { services: ["web", "api"], warnings: [], synced: true, refusals: [] as object[] };
  const well = await answering({ "PUT /v1/agent/reload": answer });
  expect(await well("agent", "reload"))
    .toEqual({ code: 0, out: "reloaded\n", err: "loaded 2 definitions: web, api\n" });
  const refusals = [{ id: "api", code: "NOT_ALLOWED", message: "no", fix: "mesh acl node allow n1 api" }];
  const refused = await answering({ "PUT /v1/agent/reload": { ...answer, refusals } });
  expect(await refused("agent", "reload")).toEqual({ code: 1, out: "",
    err: "loaded 2 definitions: web, api\nrefused: api: no\n  fix: mesh acl node allow n1 api\n" });
});
