/** The whole agent against a real server in this process; only the proxy is a child that binds and acknowledges. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLogger } from "../io/logger.ts";
import { startServer, type RunningServer } from "../server/main.ts";
import { startAgent, type AgentOptions, type RunningAgent } from "./main.ts";

const log = createLogger({ name: "t", level: "silent" });
const TINY = resolve(import.meta.dirname, "testdata/tiny-proxy.mjs");
const poll = { timeout: 8_000, interval: 10 };
let folder: string;
let server: RunningServer;
let agent: RunningAgent;

interface Answer { readonly status: number; readonly text: string; readonly json: never }
interface Call { readonly body?: string; readonly token?: string; readonly tcp?: boolean; readonly json?: boolean }

function call(line: string, { body, token, tcp = false, json = false }: Call = {}): Promise<Answer> {
  const [method = "GET", path = ""] = line.split(" ");
  const where = tcp ? { host: "127.0.0.1", port: agent.httpPort } : { socketPath: agent.socketPath };
  const headers = {
    ...(token === undefined ? {} : { "x-consul-token": token }), ...(json ? { accept: "application/json" } : {}),
  };
  return new Promise((done, failed) => {
    const req = request({ ...where, method, path, headers, agent: false }, (res) => {
      let text = "";
      res.on("data", (part: Buffer) => { text += part.toString(); });
      res.on("end", () => done({
        status: res.statusCode!,
        text,
        get json() {
          return JSON.parse(text) as never;
        },
      }));
    });
    req.on("error", failed);
    req.end(body);
  });
}

const options = (change: Partial<AgentOptions> = {}): AgentOptions => ({
  node: "n1", dataDir: join(folder, "agent"), socketPath: join(folder, "api.sock"), bind: "127.0.0.1",
  advertise: "127.0.0.1", http: { host: "127.0.0.1", port: 0 }, inboundPort: 0,
  proxyCommand: [process.execPath, TINY, "ok"], readyFile: join(folder, "ready.json"),
  servicesDir: join(folder, "services"), log, ...change,
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mesh-agent-"));
  server = await startServer({
    node: "s1", dataDir: join(folder, "server"), bind: "127.0.0.1", advertise: "127.0.0.1", httpsPort: 0, grpcPort: 0,
    http: { host: "127.0.0.1", port: 0 }, bootstrap: true, log,
  });
  const ticket = await server.createTicket({ role: "agent", node: "n1", allow: ["default/*"], ttlMs: 60_000 });
  agent = await startAgent(options({ ticket }));
});
afterAll(async () => {
  await agent.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

const WEB = "{name: web, port: 8080, protocol: http, check: {id: web-ttl, ttl: 1h}}";

test("ready: the ready file says where, mode 0600, and both health routes need no token", async () => {
  const path = join(folder, "ready.json");
  expect(JSON.parse(readFileSync(path, "utf8")))
    .toMatchObject({ http: agent.httpPort, inbound: agent.inboundPort, node: "n1", pid: process.pid });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect((await call("GET /healthz", { tcp: true })).status).toBe(200);
  expect((await call("GET /readyz", { tcp: true })).text).toContain("[+]proxy");
});

test("register over the local socket needs no token, waits for the proxy, and again changes nothing", async () => {
  const first = await call("PUT /v1/agent/service/register?wait=10s", { body: WEB });
  expect([first.status, first.json]).toEqual([200, { registered: ["web"], unchanged: [], warnings: [] }]);
  const again = await call("PUT /v1/agent/service/register", { body: WEB });
  expect(again.json).toEqual({ registered: [], unchanged: ["web"], warnings: [] });
  const services = (await call("GET /v1/agent/services")).json as Record<string, Record<string, object>>;
  expect(services["web"]).toMatchObject({
    ID: "web", Service: "web", Port: 8080, Namespace: "default",
    Mesh: { Status: "critical", Protocol: "http", SpiffeID: expect.stringMatching(/^spiffe:.*\/default\/sa\/web$/) },
  });
  const held = statSync(join(folder, "agent/identities/default.web.json"));
  expect(held.mode & 0o777).toBe(0o600);
});

test("a TTL report reaches the catalog at once; other checks take no reports", async () => {
  const status = async (): Promise<unknown> => {
    const answer = await call("GET /v1/health/service/web", { token: server.managementToken! });
    return (answer.json as { Checks: { CheckID: string; Status: string; Output: string }[] }[])[0]?.Checks[0];
  };
  expect((await call("PUT /v1/agent/check/pass/web-ttl?note=fine")).status).toBe(200);
  await expect.poll(status, poll).toMatchObject({ CheckID: "web-ttl", Status: "passing", Output: "fine" });
  const body = JSON.stringify({ Status: "warning", Output: "x".repeat(10_000) });
  expect((await call("PUT /v1/agent/check/update/web-ttl", { body })).status).toBe(200);
  await expect.poll(status, poll).toMatchObject({ Status: "warning", Output: "x".repeat(4_096) });
  expect((await call("PUT /v1/agent/check/fail/none")).text).toMatch(/there is no check "none"/);
  expect((await call("PUT /v1/agent/check/update/web-ttl", { body: "{}" })).status).toBe(400);
});

test("a malformed definition: all mistakes with their places, nothing registered", async () => {
  const body = '{"service": {\n  "name": "Api",\n  "port": "80"\n}}';
  const { status, text } = await call("PUT /v1/agent/service/register?file=service.json", { body });
  expect([status, text.split("\n").slice(0, 2)]).toEqual([400, [
    'service.json:2:11: service.name must be lower case letters, digits and inner hyphens, at most 63 characters, ' +
      'got "Api" (string)',
    'service.json:3:11: service.port must be a number from 1 to 65535, got "80" (string)',
  ]]);
});

test("pitfall 54: script checks are refused over TCP, and over the socket unless enabled", async () => {
  const body = "{name: evil, port: 1, check: {args: [/bin/true]}}";
  const overTcp = await call("PUT /v1/agent/service/register", { body, tcp: true, token: server.managementToken! });
  expect([overTcp.status, overTcp.text]).toEqual([403, expect.stringMatching(/cannot be registered over TCP/)]);
  expect((await call("PUT /v1/agent/service/register", { body })).text).toMatch(/script checks are not enabled/);
});

test("an address of another host and a service outside of the allow are refused with the way out", async () => {
  const away = await call("PUT /v1/agent/service/register", { body: "{name: api, port: 1, address: 192.0.2.7}" });
  expect([away.status, away.text]).toEqual([400, expect.stringMatching(/192.0.2.7 of api is not one of this host's/)]);
  const body = "{name: api, namespace: shop, port: 1}";
  const shop = await call("PUT /v1/agent/service/register", { body, json: true });
  expect([shop.status, shop.json]).toEqual([403, { error: { code: "NOT_ALLOWED",
    message: 'node "n1" may not be service shop/api', fix: "mesh acl node allow n1 shop/api" } }]);
});

test("reload waits for the servers and brings back what they refuse; so does the list", async () => {
  const file = join(folder, "services/cart.yaml");
  mkdirSync(join(folder, "services"));
  writeFileSync(file, "{name: cart, namespace: shop, port: 1}");
  const message = 'node "n1" may not be service shop/cart';
  expect((await call("PUT /v1/agent/reload")).json).toMatchObject({ services: ["cart"], synced: true,
    refusals: [{ id: "cart", code: "NOT_ALLOWED", message, fix: "mesh acl node allow n1 shop/cart" }] });
  expect((await call("GET /v1/agent/service/cart")).json)
    .toMatchObject({ Mesh: { Refused: { Code: "NOT_ALLOWED", Message: message } } });
  rmSync(file);
  expect((await call("PUT /v1/agent/reload")).json).toMatchObject({ services: [], synced: true, refusals: [] });
});

test("over TCP a token decides: none, unknown, read only, one namespace", async () => {
  const tcp = (line: string, token?: string, body?: string): Promise<Answer> =>
    call(line, { tcp: true, ...(token === undefined ? {} : { token }), ...(body === undefined ? {} : { body }) });
  const made = await call("PUT /v1/acl/token", { token: server.managementToken!,
    body: JSON.stringify({ Roles: ["read:default"], Description: "t" }) });
  expect(made.status).toBe(200);
  const secret = (made.json as { SecretID: string }).SecretID;
  expect((await tcp("GET /v1/agent/services")).status).toBe(403);
  expect((await tcp("GET /v1/agent/services", "11111111-1111-1111-1111-111111111111")).status).toBe(403);
  expect(Object.keys((await tcp("GET /v1/agent/services", secret)).json)).toEqual(["web"]);
  expect((await tcp("PUT /v1/agent/service/register", secret, WEB)).text).toMatch(/lacks role write:default/);
  expect((await tcp("PUT /v1/agent/reload", secret)).text).toMatch(/lacks role management/);
  const other = await call("PUT /v1/acl/token", { token: server.managementToken!, body: '{"Roles": ["write:shop"]}' });
  const shop = (other.json as { SecretID: string }).SecretID;
  expect((await tcp("PUT /v1/agent/service/register", shop, "{name: cart, namespace: shop, id: web, port: 1}")).text)
    .toMatch(/lacks role write:default/);
  expect((await tcp("GET /v1/agent/metrics", secret)).status).toBe(200);
});

test("maintenance drains the instance for everybody, and ends", async () => {
  const seen = async (): Promise<unknown> => {
    const answer = await call("GET /v1/health/service/web?passing", { token: server.managementToken! });
    return (answer.json as unknown[]).length;
  };
  await call("PUT /v1/agent/check/pass/web-ttl");
  await expect.poll(seen, poll).toBe(1);
  await call("PUT /v1/agent/service/maintenance/web?enable=true&reason=disk");
  await expect.poll(seen, poll).toBe(0);
  const shown = (await call("GET /v1/agent/service/web")).json as { Mesh: object };
  expect(shown.Mesh).toMatchObject({ Status: "maintenance", Maintenance: "disk" });
  await call("PUT /v1/agent/service/maintenance/web?enable=false");
  await expect.poll(seen, poll).toBe(1);
  expect((await call("PUT /v1/agent/service/maintenance/web")).text).toMatch(/enable must be true or false/);
});

test("Prometheus: the user's names, with the proxy's counts and the names of services", async () => {
  const { text } = await call("GET /v1/agent/metrics?format=prometheus");
  expect(text).toContain("# TYPE requests_total counter");
  expect(text).toContain('requests_total{service="web",method="GET",code="200"} 7');
  expect(text).toContain('active_connections{service="web"} 2');
  expect(text).toMatch(/mesh_cert_expiry_seconds\{service="web"\} 86\d\d\d/);
  expect(text).toMatch(/process_cpu_seconds_total/);
  expect((await call("GET /v1/agent/metrics?format=xml")).status).toBe(400);
});

test("proxy-config shows what the proxy runs; an unknown section gets a hint", async () => {
  expect((await call("GET /v1/mesh/proxy-config/listeners")).json).toEqual([]);
  expect((await call("GET /v1/mesh/proxy-config/clusters")).json).toEqual([{ name: "a", connect_timeout_ms: 5 }]);
  expect((await call("GET /v1/mesh/proxy-config/listener")).text).toContain('did you mean \\"listeners\\"?');
});

test("what is not the agent's goes to a server with the caller's token, and its refusals come back", async () => {
  expect((await call("GET /v1/catalog/nodes")).status).toBe(403);
  const nodes = (await call("GET /v1/catalog/nodes", { token: server.managementToken! })).json as { Node: string }[];
  expect(nodes.map((node) => node.Node)).toContain("n1");
  expect((await call("GET /v1/agent/members", { token: server.managementToken! })).status).toBe(501);
});

test("deregistering removes it here and in the catalog; an unknown id is a 404 that knows the name's id", async () => {
  await call("PUT /v1/agent/service/register", { body: "{name: api, id: api-1, port: 1}" });
  const missing = await call("PUT /v1/agent/service/deregister/api");
  expect([missing.status, missing.text]).toEqual([404, expect.stringMatching(/did you mean "api-1"/)]);
  expect((await call("PUT /v1/agent/service/deregister/api-1")).status).toBe(200);
  const left = async (): Promise<unknown> =>
    (await call("GET /v1/catalog/service/api", { token: server.managementToken! })).json;
  await expect.poll(left, poll).toEqual([]);
});

test("a second agent on the folder, a taken inbound port, a wrong name are refused with the reason", async () => {
  await expect(startAgent(options())).rejects.toMatchObject({ code: "CONFLICT" });
  await expect(startAgent(options({ node: "a/b" }))).rejects.toMatchObject({ code: "INVALID_CONFIG" });
  await expect(startAgent(options({ dataDir: join(folder, "other"), node: "n2" })))
    .rejects.toMatchObject({ code: "INVALID_CONFIG", message: expect.stringMatching(/there is no ticket/) });
  const taken = createServer();
  await new Promise<void>((done) => { taken.listen(0, "127.0.0.1", done); });
  const ticket = await server.createTicket({ role: "agent", allow: ["*"], ttlMs: 60_000 });
  const { port } = taken.address() as AddressInfo;
  const other = { dataDir: join(folder, "n3"), node: "n3", socketPath: join(folder, "n3.sock"), ticket };
  await expect(startAgent(options({ ...other, inboundPort: port }))).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
  taken.close();
});

test("pitfall 57: with every server down a restarted agent serves what it knew, and says so", async () => {
  const made = await call("PUT /v1/acl/token", { token: server.managementToken!,
    body: JSON.stringify({ Roles: ["read:default"] }) });
  const token = (made.json as { SecretID: string }).SecretID;
  expect((await call("GET /v1/agent/metrics", { tcp: true, token })).status).toBe(200);
  await agent.close();
  await server.close();
  agent = await startAgent(options());
  expect((await call("GET /v1/agent/metrics", { tcp: true, token })).status).toBe(200);
  expect(Object.keys((await call("GET /v1/agent/services", { tcp: true, token })).json)).toContain("web");
  expect((await call("PUT /v1/agent/reload", { tcp: true, token })).text).toMatch(/lacks role management/);
  expect((await call("GET /v1/agent/metrics", { tcp: true, token: "never-seen" })).status).toBe(503);
  const status = (await call("GET /v1/mesh/status")).json as Record<string, { state?: string; connected?: boolean }>;
  expect(status).toMatchObject({ proxy: { state: "ok" }, servers: { connected: false },
    services: [{ id: "web", status: "passing" }], certs: [{ service: "default/web", error: "" }] });
  const forwarded = await call("GET /v1/catalog/nodes", { json: true });
  expect([forwarded.status, forwarded.json]).toMatchObject([503, { error: { code: "UNREACHABLE" } }]);
  const registered = await call("PUT /v1/agent/service/register", { body: "{name: late, port: 2}" });
  expect(registered.json).toMatchObject({ registered: ["late"] });
  const waiting = await call("PUT /v1/agent/service/register?wait=50ms", { body: "{name: late, port: 2}" });
  expect([waiting.status, waiting.text]).toEqual([504, expect.stringMatching(/not served yet: no certificate/)]);
});

test("docs/http-api.md names every route of the agent", () => {
  const read = (path: string): string => readFileSync(resolve(import.meta.dirname, path), "utf8");
  const lines = [...read("api/routes.ts").matchAll(/"((?:GET|PUT|POST|DELETE) \/[^"]*)"/g)].map((match) => match[1]!);
  expect(lines.length).toBeGreaterThan(10);
  const text = read("../docs/http-api.md");
  expect(lines.filter((line) => !text.includes(`\`${line}`))).toEqual([]);
});
