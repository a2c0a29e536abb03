import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MeshError } from "../../core/base/errors.ts";
import { createLogger } from "../logger.ts";
import { BODY_BYTES_MAX } from "./body.ts";
import { type ApiServer, createApiServer, jsonResponse, type Route } from "./router.ts";

const lines: string[] = [];
const log = createLogger({ name: "test", write: (line) => void lines.push(line) });
const routes: Route[] = [
  { method: "GET", path: "/v1/things/:name", handler: (req) => ({ status: 200, body: { name: req.params["name"] } }) },
  { method: "GET", path: "/v1/things/exact", handler: () => ({ status: 200, body: "exact" }) },
  { method: "PUT", path: "/v1/things/:name", handler: async (req) => jsonResponse({ got: await req.json() ?? null }) },
  { method: "GET", path: "/v1/token", handler: (req) => jsonResponse(req.token) },
  { method: "GET", path: "/v1/files/*rest", handler: (req) => ({ status: 200, body: req.params["rest"] ?? "" }) },
  { method: "GET", path: "/v1/denied", handler: () => { throw new MeshError("DENIED", "no"); } },
  { method: "GET", path: "/v1/mesh/denied", handler: () => { throw new MeshError("DENIED", "no", { where: "a.b" }); } },
  { method: "GET", path: "/v1/broken", handler: () => { throw new TypeError("inner detail"); } },
];

let server: ApiServer;
let port: number;

beforeAll(async () => {
  server = createApiServer({ routes, log, allowedHosts: ["mesh.example"] });
  ({ port } = await server.listen({ host: "127.0.0.1", port: 0 }));
});
afterAll(() => server.close());

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

interface Sent {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  socketPath?: string;
}

function call(path: string, sent: Sent = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const where = sent.socketPath === undefined ? { host: "127.0.0.1", port } : { socketPath: sent.socketPath };
    const req = httpRequest({ ...where, path, method: sent.method ?? "GET", headers: sent.headers ?? {} }, (res) => {
      let body = "";
      res.on("data", (chunk: Buffer) => (body += chunk.toString()));
      res.on("end", () => resolve({ status: res.statusCode!, headers: res.headers, body }));
    });
    req.on("error", reject);
    req.end(sent.body);
  });
}

test("the most literal route wins, parameters are decoded, *rest takes the rest", async () => {
  expect((await call("/v1/things/exact")).body).toBe("exact");
  expect((await call("/v1/things/a%2Fb")).body).toBe('{"name":"a/b"}\n');
  expect((await call("/v1/files/a/b/c")).body).toBe("a/b/c");
  expect((await call("/v1/things/%zz")).status).toBe(400);
});

test("HEAD answers like GET without the body; ?pretty indents", async () => {
  const head = await call("/v1/things/web", { method: "HEAD" });
  expect(head).toMatchObject({ status: 200, body: "" });
  expect(head.headers["content-length"]).toBe(String('{"name":"web"}\n'.length));
  expect((await call("/v1/things/web?pretty")).body).toBe('{\n    "name": "web"\n}\n');
});

test("an unknown path names the nearest one, a wrong method those that exist", async () => {
  const lost = await call("/v1/thing/web");
  expect(lost.status).toBe(404);
  expect(lost.body).toContain("did you mean /v1/things/:name ?");
  expect((await call("/v1/flies/a/b/c")).body).not.toContain("did you mean");
  const wrong = await call("/v1/things/web", { method: "DELETE" });
  expect(wrong.status).toBe(405);
  expect(wrong.body).toContain("use GET, PUT");
});

test("pitfall 54: a Host that is not ours is refused, whatever the method", async () => {
  for (const host of ["evil.example", "evil.example:8500", "10.1.2.3", "127.0.0.1.evil.example", "a b", "[::1"]) {
    const answer = await call("/v1/things/web", { headers: { host } });
    expect([host, answer.status]).toEqual([host, 403]);
  }
  for (const host of ["localhost:1", "127.0.0.1", "mesh.example", "[::1]:8500", "LOCALHOST", "web.localhost"]) {
    const answer = await call("/v1/things/web", { headers: { host } });
    expect([host, answer.status]).toEqual([host, 200]);
  }
});

test("pitfall 54: a foreign or null Origin is refused, the server's own passes", async () => {
  for (const origin of ["http://evil.example", "null", "http://localhost:1", `https://127.0.0.1:${port}`]) {
    expect([origin, (await call("/v1/things/web", { headers: { origin } })).status]).toEqual([origin, 403]);
  }
  const own = await call("/v1/things/web", { headers: { origin: `http://127.0.0.1:${port}` } });
  expect(own.status).toBe(200);
});

test("pitfall 54: bodies are bounded in size and depth", async () => {
  const big = await call("/v1/things/web", { method: "PUT", body: `"${"x".repeat(BODY_BYTES_MAX)}"` });
  expect(big.status).toBe(413);
  const declared = await call("/v1/things/web", {
    method: "PUT",
    headers: { "transfer-encoding": "chunked" },
    body: `"${"x".repeat(BODY_BYTES_MAX)}"`,
  });
  expect(declared.status).toBe(413);
  const deep = await call("/v1/things/web", { method: "PUT", body: "[".repeat(65) + "]".repeat(65) });
  expect(deep).toMatchObject({ status: 400 });
  expect(deep.body).toContain("deeper than 64");
  const fine = await call("/v1/things/web", { method: "PUT", body: "[".repeat(64) + "]".repeat(64) });
  expect(fine.status).toBe(200);
});

test("pitfall 54: keys that could reach a prototype are refused and named", async () => {
  const proto = await call("/v1/things/web", { method: "PUT", body: '{"a":[{"__proto__":{"x":1}}]}' });
  expect(proto.status).toBe(400);
  expect(proto.body).toContain("$.a[0]");
  const constructor = await call("/v1/things/web", { method: "PUT", body: '{"constructor":{"prototype":{}}}' });
  expect(constructor.status).toBe(400);
  expect(({} as { x?: number }).x).toBeUndefined();
});

test("pitfall 52: the token comes from a header, never from the query, and is not logged", async () => {
  expect((await call("/v1/token", { headers: { "x-consul-token": "t1" } })).body).toBe('"t1"');
  expect((await call("/v1/token", { headers: { authorization: "Bearer t2" } })).body).toBe('"t2"');
  expect((await call("/v1/token", { headers: { authorization: "Basic dDI=" } })).body).toBe('""');
  const inQuery = await call("/v1/token?token=t3");
  expect(inQuery.status).toBe(400);
  expect(inQuery.body).not.toContain("t3");
  expect(lines.join("")).not.toContain("t3");
});

test("errors are text on Consul's paths, JSON on /v1/mesh and for whoever asks; faults say nothing", async () => {
  expect(await call("/v1/denied")).toMatchObject({
    status: 403,
    body: "no\nfix: use a token whose role covers this\n",
  });
  const error = { code: "DENIED", message: "no", fix: "use a token whose role covers this" };
  const json = await call("/v1/denied", { headers: { accept: "application/json" } });
  expect(JSON.parse(json.body)).toEqual({ error });
  expect(JSON.parse((await call("/v1/mesh/denied")).body)).toEqual({ error: { ...error, where: "a.b" } });
  const broken = await call("/v1/broken");
  expect(broken.status).toBe(500);
  expect(broken.body).not.toContain("inner detail");
  expect(lines.join("")).toContain("inner detail");
});

test("a port in use is an error that says so", async () => {
  const second = createApiServer({ routes, log });
  await expect(second.listen({ host: "127.0.0.1", port })).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
});

test("a unix socket has the mode asked for, no Host check, replaces a stale file and refuses a live one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-api-"));
  const path = join(folder, "agent.sock");
  const withPeer: Route = { method: "GET", path: "/peer", handler: (req) => jsonResponse(req.peer ?? null) };
  const first = createApiServer({ routes: [withPeer], log });
  await first.listen({ path, mode: 0o660 });
  expect(statSync(path).mode & 0o777).toBe(0o660);
  const answer = await call("/peer", { socketPath: path, headers: { host: "anything" } });
  expect(JSON.parse(answer.body)).toEqual({ uid: process.getuid!(), gid: process.getgid!(), pid: process.pid });
  const second = createApiServer({ routes: [withPeer], log });
  await expect(second.listen({ path, mode: 0o660 })).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
  // The file of a process that was killed: it stays, nobody listens.
  const stale = join(folder, "stale.sock");
  renameSync(path, stale);
  await first.close();
  const third = createApiServer({ routes: [withPeer], log });
  await third.listen({ path: stale, mode: 0o600 });
  expect((await call("/peer", { socketPath: stale })).status).toBe(200);
  await third.close();
  const precious = join(folder, "precious");
  writeFileSync(precious, "not a socket");
  const fourth = createApiServer({ routes: [], log });
  await expect(fourth.listen({ path: precious, mode: 0o600 })).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
  expect(readFileSync(precious, "utf8")).toBe("not a socket");
  rmSync(folder, { recursive: true });
});
