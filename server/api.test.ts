import { X509Certificate } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { apiRoutes } from "./http/routes.ts";
import { type Answer, joinHost, makeCsr, startTestServer, type TestHost, type TestServer } from "./fixture.ts";

let mesh: TestServer;
let host: TestHost;

beforeAll(async () => {
  mesh = await startTestServer();
  host = await joinHost(mesh, "host-1", ["*"]);
  await host.register("web");
});
afterAll(async () => {
  host.client.close();
  await mesh.stop();
});

async function tokenWith(...roles: string[]): Promise<string> {
  const { json } = await mesh.call("PUT /v1/acl/token", { body: { Roles: roles } });
  return (json as { SecretID: string }).SecretID;
}

/** The table needs only to be listed; nothing in it runs. */
function allRoutes(): ReturnType<typeof apiRoutes> {
  const nothing = { context: {}, grpcAddress: () => "", httpsAddresses: () => [] } as unknown;
  return apiRoutes(nothing as Parameters<typeof apiRoutes>[0]);
}

const statusOf = async (answer: Promise<Answer>): Promise<number> => (await answer).status;

test("pitfall 52: without a token every route answers 403, except exactly the four", async () => {
  const routes = allRoutes();
  const open: string[] = [];
  for (const { method, path } of routes) {
    const concrete = path.replaceAll(/[:*]\w+/g, "x");
    for (const token of [undefined, "no-such-token"]) {
      const body = method === "GET" ? {} : { body: {} };
      const { status } = await mesh.call(`${method} ${concrete}`, { token, ...body });
      if (status !== 403) open.push(`${method} ${path} ${status}`);
    }
  }
  expect(routes.length).toBeGreaterThan(50);
  expect([...new Set(open)].sort()).toEqual([
    "GET /healthz 200", "GET /readyz 200", "GET /v1/status/leader 200", "GET /v1/status/peers 200",
  ]);
});

test("docs/http-api.md names every route", () => {
  const text = readFileSync(join(import.meta.dirname, "../docs/http-api.md"), "utf8");
  const lines = allRoutes().map(({ method, path }) => `${method} ${path}`);
  const missing = lines.filter((line) => !text.includes(`\`${line}`));
  expect(missing).toEqual([]);
});

test("asked about one host, a server names whom to ask", async () => {
  const { status, json } = await mesh.call("GET /v1/mesh/status");
  expect([status, json]).toEqual([404, { error: expect.objectContaining({ fix: expect.stringContaining("agent") }) }]);
});

test("status: leader and peers as Consul says them, readiness with reasons", async () => {
  const address = `127.0.0.1:${mesh.server.grpcPort}`;
  expect((await mesh.call("GET /v1/status/leader", { token: undefined })).json).toBe(address);
  expect((await mesh.call("GET /v1/status/peers", { token: undefined })).json).toEqual([address]);
  expect((await mesh.call("GET /readyz?verbose", { token: undefined })).text).toContain("[+]raft ok");
});

test("catalog and health in Consul's shapes, filters included", async () => {
  expect((await mesh.call("GET /v1/catalog/services")).json).toEqual({ web: ["v1"] });
  expect((await mesh.call("GET /v1/catalog/service/web")).json).toMatchObject([{
    Node: "host-1", Address: "127.0.1.1", ServiceID: "web-1", ServiceName: "web", ServicePort: 8080,
    ServiceTags: ["v1"],
  }]);
  expect((await mesh.call("GET /v1/catalog/nodes")).json).toMatchObject([{ Node: "host-1", Address: "127.0.1.1" }]);
  const node = (await mesh.call("GET /v1/catalog/node/host-1")).json;
  expect(node).toMatchObject({ Services: { "web-1": { Service: "web" } } });
  expect((await mesh.call("GET /v1/catalog/node/nobody")).json).toBeNull();
  const entries = (await mesh.call("GET /v1/health/service/web?passing")).json;
  expect(entries).toMatchObject([
    { Node: { Node: "host-1" }, Service: { ID: "web-1" }, Checks: [{ Status: "passing" }] },
  ]);
  expect((await mesh.call("GET /v1/health/connect/web")).json).toMatchObject([{
    Service: { Kind: "connect-proxy", Address: "127.0.1.1", Port: 15_008, Proxy: { DestinationServiceName: "web" } },
  }]);
  expect((await mesh.call("GET /v1/health/service/web?tag=v2")).json).toEqual([]);
  expect((await mesh.call("GET /v1/health/state/critical")).json).toEqual([]);
  expect((await mesh.call("GET /v1/health/state/nonsense")).status).toBe(400);
  expect((await mesh.call("GET /v1/health/service/web?filter=x")).status).toBe(400);
  expect((await mesh.call("GET /v1/catalog/nodes?dc=dc2")).status).toBe(400);
  expect((await mesh.call("GET /v1/catalog/datacenters")).json).toEqual(["dc1"]);
});

test("a blocking query returns with the change, not before, and an unrelated change does not end it", async () => {
  const first = await mesh.call("GET /v1/health/service/web");
  const index = first.headers["x-consul-index"] as string;
  let ended = false;
  const waiting = mesh.call(`GET /v1/health/service/web?index=${index}&wait=20s`).then((answer) => {
    ended = true;
    return answer;
  });
  await host.register("api");
  await mesh.call("GET /v1/catalog/services");
  expect(ended).toBe(false);
  const before = performance.now();
  await host.register("web", { tags: ["v1", "v2"] });
  const answer = await waiting;
  expect(performance.now() - before).toBeLessThan(1_000);
  expect(Number(answer.headers["x-consul-index"])).toBeGreaterThan(Number(index));
  expect(answer.json).toMatchObject([{ Service: { Tags: ["v1", "v2"] } }]);
  expect(answer.headers["x-consul-knownleader"]).toBe("true");
});

test("pitfall 53: a token that is deleted during a long poll gets 403 at its end", async () => {
  const secret = await tokenWith("read:default");
  const self = (await mesh.call("GET /v1/acl/token/self", { token: secret })).json as { AccessorID: string };
  const { headers } = await mesh.call("GET /v1/health/service/api", { token: secret });
  const path = `/v1/health/service/api?index=${headers["x-consul-index"]}&wait=20s`;
  const waiting = mesh.call(`GET ${path}`, { token: secret });
  await mesh.call(`DELETE /v1/acl/token/${self.AccessorID}`);
  await host.register("api", { tags: ["changed"] });
  expect(await statusOf(waiting)).toBe(403);
});

test("roles: read reads its namespace, write writes there, neither manages", async () => {
  await host.register("cart", { namespace: "shop", id: "cart-1" });
  const reader = await tokenWith("read:shop");
  const writer = await tokenWith("write:shop");
  const as = (token: string, line: string, body?: object): Promise<number> =>
    statusOf(mesh.call(line, { token, ...(body === undefined ? {} : { body }) }));
  const put = "PUT /v1/connect/intentions/exact?source=web&destination=shop/cart";
  expect(await as(reader, "GET /v1/health/service/cart?ns=shop")).toBe(200);
  expect(await as(reader, "GET /v1/health/service/web")).toBe(403);
  expect((await mesh.call("GET /v1/catalog/services?ns=*", { token: reader })).json).toEqual({ "shop/cart": ["v1"] });
  expect(await as(reader, put, { Action: "allow" })).toBe(403);
  expect(await as(writer, put, { Action: "allow" })).toBe(200);
  const elsewhere = "PUT /v1/connect/intentions/exact?source=shop/cart&destination=web";
  expect(await as(writer, elsewhere, { Action: "allow" })).toBe(403);
  expect(await as(writer, "GET /v1/acl/tokens")).toBe(403);
  expect(await as(writer, "POST /v1/mesh/acl/tickets", { allow: ["*"] })).toBe(403);
  expect(await as(writer, "POST /v1/mesh/ca/issue", { service: "web", csr: "" })).toBe(403);
  const seen = (await mesh.call("GET /v1/connect/intentions", { token: reader })).json;
  expect(seen).toMatchObject([{ DestinationName: "cart" }]);
  await mesh.call("DELETE /v1/connect/intentions/exact?source=web&destination=shop/cart");
});

test("intentions: create, read, list, match, check with the deciding one, delete; mistakes are named", async () => {
  const check = async (source: string, destination: string): Promise<unknown> =>
    (await mesh.call(`GET /v1/connect/intentions/check?source=${source}&destination=${destination}`)).json;
  expect(await check("web", "api")).toMatchObject({ Allowed: false, Intention: null });
  const exact = "/v1/connect/intentions/exact?source=web&destination=api";
  expect((await mesh.call(`PUT ${exact}`, { body: { Action: "allow", Description: "shop front" } })).json).toBe(true);
  await mesh.call("PUT /v1/connect/intentions/exact?source=*&destination=api", { body: { Action: "deny" } });
  expect((await mesh.call(`GET ${exact}`)).json).toMatchObject({ SourceName: "web", Action: "allow", Precedence: 9 });
  expect(await check("web", "api")).toMatchObject({ Allowed: true, Intention: { SourceName: "web", Precedence: 9 } });
  expect(await check("db", "api")).toMatchObject({ Allowed: false, Intention: { SourceName: "*", Action: "deny" } });
  expect((await mesh.call("GET /v1/connect/intentions/match?by=destination&name=api")).json).toMatchObject({
    api: [{ SourceName: "web" }, { SourceName: "*" }],
  });
  expect((await mesh.call("GET /v1/connect/intentions/match?by=nobody&name=api")).status).toBe(400);
  expect((await mesh.call(`PUT ${exact}`, { body: { Action: "maybe" } })).text).toContain("Action");
  expect((await mesh.call("GET /v1/connect/intentions/exact?source=web")).text).toContain("destination");
  await mesh.call(`DELETE ${exact}`);
  await mesh.call("DELETE /v1/connect/intentions/exact?source=*&destination=api");
  expect((await mesh.call(`GET ${exact}`)).status).toBe(404);
  expect((await mesh.call("GET /v1/connect/intentions")).json).toEqual([]);
});

const DEFAULTS = "apiVersion: mesh/v1\nkind: ServiceDefaults\nmetadata: {name: web}\nspec: {protocol: http}\n";

test("apply takes several documents or none, and they are read back as applied", async () => {
  const intention = "apiVersion: mesh/v1\nkind: Intention\nspec: {source: api, destination: web, action: allow}\n";
  const bad = await mesh.call("POST /v1/mesh/apply", { body: `${DEFAULTS}---\nkind: Nonsense\n` });
  expect(bad.status).toBe(400);
  expect(bad.text).toContain("request body:");
  expect((await mesh.call("GET /v1/mesh/config")).json).toEqual([]);
  const good = await mesh.call("POST /v1/mesh/apply", { body: `${DEFAULTS}---\n${intention}` });
  expect(good.json).toMatchObject({ applied: [{ kind: "ServiceDefaults", name: "web" }, { kind: "Intention" }] });
  expect((await mesh.call("GET /v1/mesh/config/ServiceDefaults/default/web")).json).toMatchObject({
    kind: "ServiceDefaults", metadata: { name: "web" }, spec: { protocol: "http" },
  });
  expect((await mesh.call("GET /v1/mesh/config/Intention")).json).toMatchObject([{ spec: { action: "allow" } }]);
  const put = "PUT /v1/mesh/config/ServiceDefaults/default/web";
  expect((await mesh.call(put, { body: DEFAULTS.replace("name: web", "name: api") })).status).toBe(400);
  expect((await mesh.call(`${put}?cas=1`, { body: DEFAULTS })).status).toBe(409);
  expect((await mesh.call(put, { body: DEFAULTS.replace("http", "tcp") })).status).toBe(200);
  expect((await mesh.call("DELETE /v1/mesh/config/ServiceDefaults/default/web")).status).toBe(200);
  expect((await mesh.call("GET /v1/mesh/config/ServiceDefaults/default/web")).status).toBe(404);
  const unbuilt = await mesh.call("GET /v1/mesh/config/VirtualService/default/web");
  expect(unbuilt.status).toBe(501);
  expect(unbuilt.json).toMatchObject({ error: { code: "NOT_BUILT" } });
});

test("tokens: the secret is shown once, kept hashed; expiry and the last management token hold", async () => {
  const make = async (body: object): Promise<{ AccessorID: string; SecretID: string }> =>
    (await mesh.call("PUT /v1/acl/token", { body })).json as { AccessorID: string; SecretID: string };
  const created = await make({ Roles: ["management"], Description: "ops" });
  expect(JSON.stringify((await mesh.call("GET /v1/acl/tokens")).json)).not.toContain(created.SecretID);
  expect((await mesh.call("PUT /v1/acl/token", { body: { Roles: ["root"] } })).text).toContain("not a role");
  expect((await mesh.call("PUT /v1/acl/token", { body: {} })).text).toContain("body.Roles");
  const short = await make({ Roles: ["read:*"], ExpirationTTL: "1ms" });
  expect(await statusOf(mesh.call("GET /v1/catalog/nodes", { token: short.SecretID }))).toBe(403);
  expect(await statusOf(mesh.call(`DELETE /v1/acl/token/${created.AccessorID}`))).toBe(200);
  const self = (await mesh.call("GET /v1/acl/token/self")).json as { AccessorID: string };
  expect(await statusOf(mesh.call(`DELETE /v1/acl/token/${self.AccessorID}`))).toBe(409);
  expect(mesh.lines.join("")).not.toContain(created.SecretID);
});

test("tickets are made, listed without their secret, and deleted", async () => {
  const made = (await mesh.call("POST /v1/mesh/acl/tickets", { body: { allow: ["web"], ttl: "10m" } })).json as
    { id: string; ticket: string };
  expect(made.ticket).toMatch(/^mesh1\./);
  const tickets = (await mesh.call("GET /v1/mesh/acl/tickets")).json as { id: string }[];
  expect(tickets.find((ticket) => ticket.id === made.id)).toMatchObject({ state: "open", allow: ["default/web"] });
  expect((await mesh.call("POST /v1/mesh/acl/tickets", { body: {} })).text).toContain("allow");
  expect((await mesh.call("POST /v1/mesh/acl/tickets", { body: { allow: ["*"], ttl: "soon" } })).status).toBe(400);
  await mesh.call(`DELETE /v1/mesh/acl/tickets/${made.id}`);
  const left = (await mesh.call("GET /v1/mesh/acl/tickets")).json as { id: string }[];
  expect(left.some((ticket) => ticket.id === made.id)).toBe(false);
});

test("a certificate by hand is short, for the service asked, and leaves a trace in the log", async () => {
  const csr = makeCsr().csrDer.toString("base64");
  const { json } = await mesh.call("POST /v1/mesh/ca/issue", { body: { service: "web", csr, ttl: "30m" } });
  const answer = json as { chain_pem: string; spiffe_id: string };
  const leaf = new X509Certificate(answer.chain_pem);
  expect(leaf.subjectAltName).toContain(answer.spiffe_id);
  expect(leaf.validToDate.getTime() - Date.now()).toBeLessThanOrEqual(30 * 60_000);
  expect(mesh.lines.some((line) => line.includes("issued by hand") && line.includes("default/web"))).toBe(true);
  expect((await mesh.call("POST /v1/mesh/ca/issue", { body: { service: "web", csr, ttl: "30d" } })).status).toBe(400);
});

test("a server shows its metrics to Prometheus", async () => {
  const { text, headers } = await mesh.call("GET /v1/agent/metrics?format=prometheus");
  expect(headers["content-type"]).toContain("text/plain; version=0.0.4");
  expect(text).toMatch(/^mesh_raft_leader 1$/m);
  expect(text).toMatch(/^mesh_catalog_nodes 1$/m);
  expect(text).toContain("process_cpu_seconds_total");
  expect((await mesh.call("GET /v1/agent/metrics")).status).toBe(400);
});

test("pitfall 53: a token that may write nowhere has no document read, and sees no hidden names", async () => {
  const reader = await tokenWith("read:default");
  const apply = await mesh.call("POST /v1/mesh/apply", { token: reader, body: "[".repeat(1000) });
  expect([apply.status, apply.text]).toEqual([403, expect.stringContaining("lacks role write:*")]);
  await mesh.call("PUT /v1/mesh/acl/node/host-1/allow", { body: { allow: ["secret/plans"] } });
  const shown = async (token?: string): Promise<string> =>
    (await mesh.call("GET /v1/mesh/nodes", token === undefined ? {} : { token })).text;
  expect(await shown()).toContain("secret/plans");
  expect(await shown(reader)).not.toContain("secret/plans");
});

test("pitfall 53: a token that is revoked while its request is still on the way changes nothing", async () => {
  const { json } = await mesh.call("PUT /v1/acl/token", { body: { Roles: ["write:default"] } });
  const token = json as { AccessorID: string; SecretID: string };
  const path = "/v1/connect/intentions/exact?source=late&destination=web";
  const body = '{"Action": "allow"}';
  const slow = request({
    host: "127.0.0.1", port: mesh.server.httpPort!, method: "PUT", path, agent: false,
    headers: { "x-consul-token": token.SecretID, "content-length": body.length, expect: "100-continue" },
  });
  const answered = new Promise<number>((resolve) => slow.on("response", (res) => resolve(res.statusCode!)));
  // The server has the head of the request once it says so.
  await new Promise((resolve) => { slow.on("continue", resolve).flushHeaders(); });
  await mesh.call(`DELETE /v1/acl/token/${token.AccessorID}`);
  slow.end(body);
  expect(await answered).toBe(403);
  expect((await mesh.call(`GET ${path}`)).status).toBe(404);
});

test("what is designed but not built says so, to those with a token", async () => {
  expect((await mesh.call("GET /v1/mesh/trace/abc")).json).toMatchObject({ error: { code: "NOT_BUILT" } });
  for (const [line, instead] of [
    ["PUT /v1/agent/check/register", "/v1/agent/service/register"],
    ["PUT /v1/agent/check/deregister/web:1", "/v1/agent/service/register"],
    ["PUT /v1/agent/maintenance?enable=true", "/v1/agent/service/maintenance/:id"],
    ["GET /v1/agent/members", "/v1/mesh/nodes"],
  ] as const) {
    const answer = await mesh.call(line);
    expect([answer.status, answer.text], line).toEqual([501, expect.stringContaining("fix: ")]);
    expect(answer.text, line).toContain(instead);
  }
  expect((await mesh.call("GET /v1/agent/members")).status).toBe(501);
});

test("pitfall 35: secrets lie in files of mode 0600, and neither in the log nor in the store in clear", () => {
  for (const name of ["seal.key", "bootstrap-token"]) {
    expect(statSync(join(mesh.dataDir, name)).mode & 0o777).toBe(0o600);
  }
  const seal = readFileSync(join(mesh.dataDir, "seal.key"), "utf8").trim();
  const log = mesh.lines.join("");
  for (const secret of [seal, mesh.server.managementToken!, mesh.server.gossipKey, "PRIVATE KEY"]) {
    expect(log).not.toContain(secret);
  }
  const raft = join(mesh.dataDir, "raft");
  expect(statSync(raft).mode & 0o777).toBe(0o700);
  const files = readdirSync(raft, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const stored = files.map((file) => readFileSync(join(file.parentPath, file.name)).toString("latin1")).join("");
  expect(stored).toContain("cluster.bootstrap");
  for (const secret of [seal, mesh.server.managementToken!, mesh.server.gossipKey, "PRIVATE KEY"]) {
    expect(stored).not.toContain(secret);
  }
});
