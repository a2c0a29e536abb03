import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PROXY_ERRORS } from "../core/model/proxy-errors.ts";
import { pair, tcpServer, until } from "./testing/mesh.ts";
import type { Pair } from "./testing/mesh.ts";

let app: Server;
let mesh: Pair;
let handler: (req: IncomingMessage, res: ServerResponse) => void = () => undefined;

beforeAll(async () => {
  app = createServer((req, res) => handler(req, res));
  app.on("upgrade", (_req, socket: Socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    socket.on("data", (bytes) => socket.write(bytes));
    socket.on("end", () => socket.end());
  });
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  mesh = await pair((app.address() as AddressInfo).port);
});

afterAll(async () => {
  await mesh.close();
  app.close();
  app.closeAllConnections();
});

interface Answer { status: number; headers: Record<string, unknown>; body: Buffer; trailers: Record<string, unknown> }

interface Call { method?: string; path?: string; headers?: Record<string, string>; body?: Buffer }

function call(options: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request({ port: mesh.port, host: "127.0.0.1", path: "/", ...options }, (res) => {
      const pieces: Buffer[] = [];
      res.on("data", (bytes: Buffer) => pieces.push(bytes));
      res.on("end", () => resolve({
        status: res.statusCode!, headers: res.headers, body: Buffer.concat(pieces), trailers: res.trailers,
      }));
      res.on("error", reject);
    });
    req.on("error", reject);
    req.end(options.body);
  });
}

/** Sends raw bytes; resolves with everything that came until the end, or until `enough` holds. */
function raw(bytes: string, enough: (text: string) => boolean = () => false, half = false): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect({ port: mesh.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("connect", () => (half ? socket.end(bytes, "latin1") : socket.write(bytes, "latin1")));
    socket.on("data", (data) => {
      text += data.toString("latin1");
      if (!enough(text)) return;
      socket.destroy();
      resolve(text);
    });
    socket.on("end", () => {
      socket.end();
      resolve(text);
    });
    socket.on("error", reject);
  });
}

test("GET passes, the application is told who calls, and forged identity fields are gone (pitfall 43)", async () => {
  let seen: IncomingMessage["headers"] = {};
  handler = (req, res) => {
    seen = req.headers;
    res.setHeader("x-mesh-error", "denied");
    res.end("hello");
  };
  const forged = { "x-mesh-source": "default/admin", "x-forwarded-client-cert": "URI=spiffe://evil" };
  const answer = await call({ headers: forged });
  expect(answer.status).toBe(200);
  expect(answer.body.toString()).toBe("hello");
  expect(answer.headers["x-mesh-error"]).toBeUndefined(); // an application cannot speak for the mesh
  expect(seen["x-mesh-source"]).toBe("default/web");
  expect(seen["x-forwarded-client-cert"]).toBe(
    "By=spiffe://test.mesh/ns/default/sa/api;URI=spiffe://test.mesh/ns/default/sa/web");
  expect(seen["via"]).toBe("1.1 mesh");
});

test("bodies with a length and chunked bodies with trailers arrive whole, both ways", async () => {
  handler = (req, res) => {
    const hash = createHash("sha256");
    req.on("data", (bytes: Buffer) => hash.update(bytes));
    req.on("end", () => {
      res.writeHead(200, { trailer: "x-sum" });
      res.write(hash.digest("hex"));
      res.addTrailers({ "x-sum": req.trailers["x-more"] ?? "none" });
      res.end();
    });
  };
  const body = randomBytes(300_000);
  const sum = createHash("sha256").update(body).digest("hex");
  const plain = await call({ method: "POST", body, headers: { "content-length": String(body.length) } });
  expect(plain.body.toString()).toBe(sum);
  const chunked = await new Promise<Answer>((resolve, reject) => {
    const to = { port: mesh.port, host: "127.0.0.1", method: "POST", headers: { trailer: "x-more" } };
    const req = request(to, (res) => {
      let text = "";
      res.on("data", (bytes: Buffer) => (text += bytes.toString()));
      res.on("end", () => resolve({
        status: res.statusCode!, headers: res.headers, body: Buffer.from(text), trailers: res.trailers,
      }));
    });
    req.on("error", reject);
    for (let at = 0; at < body.length; at += 70_000) req.write(body.subarray(at, at + 70_000));
    req.addTrailers({ "x-more": "yes" });
    req.end();
  });
  expect(chunked.body.toString()).toBe(sum);
  expect(chunked.trailers["x-sum"]).toBe("yes");
});

test("HEAD, 204 and 304 have no body, and the connection goes on (pitfall 43)", async () => {
  handler = (req, res) => {
    if (req.url === "/204") res.writeHead(204);
    else if (req.url === "/304") res.writeHead(304, { etag: "\"x\"" });
    else res.writeHead(200, { "content-length": "5" });
    res.end(req.method === "HEAD" || req.url !== "/" ? undefined : "hello");
  };
  const text = await raw(
    "HEAD / HTTP/1.1\r\nhost: a\r\n\r\nGET /204 HTTP/1.1\r\nhost: a\r\n\r\nGET /304 HTTP/1.1\r\nhost: a\r\n\r\n"
    + "GET / HTTP/1.1\r\nhost: a\r\n\r\n", (got) => got.endsWith("hello"));
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 204", "HTTP/1.1 304", "HTTP/1.1 200"]);
});

test("pipelined requests are answered in order, each from its own exchange", async () => {
  handler = (req, res) => setTimeout(() => res.end(req.url), req.url === "/1" ? 30 : 0);
  const text = await raw("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n"
    + "GET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  expect(text.match(/\r\n\/\d/g)).toEqual(["\r\n/1", "\r\n/2", "\r\n/3"]);
});

test("an HTTP/1.0 client gets a body until close, also where the application answers in chunks", async () => {
  handler = (_req, res) => {
    res.write("a");
    res.end("b");
  };
  const text = await raw("GET / HTTP/1.0\r\n\r\n");
  expect(text).toContain("connection: close");
  expect(text).not.toContain("transfer-encoding");
  expect(text.endsWith("\r\n\r\nab")).toBe(true);
});

test("a request sent with half a close is answered", async () => {
  handler = (_req, res) => res.end("late");
  expect(await raw("GET / HTTP/1.1\r\nhost: a\r\n\r\n", undefined, true)).toContain("late");
});

test("Expect: 100-continue is the application's to answer (pitfall 43)", async () => {
  let asked = false;
  app.once("checkContinue", (req: IncomingMessage, res: ServerResponse) => {
    asked = true;
    res.writeContinue();
    req.resume().on("end", () => res.end("thanks"));
  });
  const text = await new Promise<string>((resolve) => {
    let got = "";
    const socket = connect(mesh.port, "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n");
    socket.write("content-length: 4\r\nconnection: close\r\n\r\n");
    socket.on("data", (data) => {
      const first = got === "";
      got += data.toString();
      if (first && got.includes("100 Continue")) socket.write("body");
    });
    socket.on("end", () => resolve(got));
  });
  expect(asked).toBe(true);
  expect(text).toContain("HTTP/1.1 100");
  expect(text).toContain("thanks");
});

test("an upgraded connection is opaque bytes both ways, bytes sent ahead included", async () => {
  const text = await new Promise<string>((resolve) => {
    let got = "";
    const socket = connect(mesh.port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nearly ");
    socket.on("data", (data) => {
      got += data.toString();
      if (got.endsWith("early ")) socket.write("late");
      if (got.endsWith("late")) socket.end();
    });
    socket.on("end", () => resolve(got));
  });
  expect(text).toMatch(/^HTTP\/1\.1 101 [\s\S]*upgrade: echo[\s\S]*\r\n\r\nearly late$/);
});

test("an answer before the body's end passes, and the rest of the body is thrown away (pitfall 44)", async () => {
  handler = (req, res) => {
    if (req.method === "POST") res.writeHead(413, { connection: "close" }).end("no");
    else res.end("next");
  };
  const head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n";
  const text = await raw(`${head}${"x".repeat(200_000)}GET /after HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
  expect(text).toMatch(/^HTTP\/1\.1 413 /);
  expect(text).toContain("next");
});

test("an answer cut short is cut short for the client too", async () => {
  handler = (_req, res) => {
    res.writeHead(200, { "content-length": "1000" });
    res.write("only this");
    setImmediate(() => res.destroy());
  };
  await expect(call({})).rejects.toThrow(/ECONNRESET|aborted/);
});

test.each([
  ["two lengths", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx", 400],
  ["a length and chunks", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400],
  ["a bare line feed", "GET / HTTP/1.1\nhost: a\r\n\r\n", 400],
  ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
  ["a head of 70 kB", `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(70_000)}\r\n\r\n`, 431],
  ["version 2.0", "GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505],
])("%s is refused with the reason, and the connection ends (pitfalls 39, 40, 47)", async (_what, bytes, status) => {
  const text = await raw(bytes);
  expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(text).toMatch(/x-mesh-error: \w+/);
  expect(text).toContain("{\"error\":{\"code\":");
});

test("an application that answers nonsense is 502 upstream_invalid, and its connection is not used again", async () => {
  let connections = 0;
  const odd = await tcpServer((socket) => {
    connections++;
    socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n"));
  });
  const other = await pair(odd.port);
  for (let i = 1; i <= 2; i++) {
    const res = await fetch(`http://127.0.0.1:${other.port}/`);
    expect(res.status).toBe(502);
    expect(res.headers.get("x-mesh-error")).toBe("upstream_invalid");
    expect(connections).toBe(i);
  }
  await other.close();
  odd.server.close();
});

test("an idle application connection serves again, but not after bytes beyond the answer (pitfall 44)", async () => {
  let connections = 0;
  let extra = "";
  const strict = await tcpServer((socket) => {
    connections++;
    socket.on("data", () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok${extra}`));
    socket.on("end", () => socket.end());
  });
  const other = await pair(strict.port);
  const get = async (): Promise<string> => (await fetch(`http://127.0.0.1:${other.port}/`)).text();
  expect(await get()).toBe("ok");
  expect(await get()).toBe("ok");
  expect(connections).toBe(1);
  extra = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
  expect(await get()).toBe("ok");
  extra = "";
  expect(await get()).toBe("ok");
  expect(connections).toBe(2);
  await other.close();
  strict.server.close();
});

test("a keep-alive connection that the application closed meanwhile costs an idempotent request nothing", async () => {
  const app2 = createServer((_req, res) => res.end("ok"));
  app2.keepAliveTimeout = 1_000_000;
  await new Promise<void>((resolve) => app2.listen(0, "127.0.0.1", resolve));
  const other = await pair((app2.address() as AddressInfo).port);
  const statuses: number[] = [];
  for (let i = 0; i < 20; i++) {
    statuses.push((await fetch(`http://127.0.0.1:${other.port}/`)).status);
    app2.closeIdleConnections();
  }
  expect(new Set(statuses)).toEqual(new Set([200]));
  await other.close();
  app2.close();
});

test("requests are counted once on each side, with method and status", async () => {
  handler = (_req, res) => res.writeHead(418).end();
  await call({ method: "DELETE" });
  const counted = (side: Pair["source"], reporter: string): number => side.readStats().requests
    .filter((row) => row.reporter === reporter && row.method === "DELETE" && row.code === 418)
    .reduce((sum, row) => sum + row.count, 0);
  const both = (): number => counted(mesh.source, "source") + counted(mesh.destination, "destination");
  await until("both sides counted", () => both() === 2);
  expect(mesh.destination.readStats().durations[0]!.count).toBeGreaterThan(0);
  expect(mesh.destination.readStats().active).toEqual([{ service: "default/api", count: 0 }]);
});

test("Max-Forwards counts down and ends at zero (pitfall 43, RFC 9110 section 7.6.2)", async () => {
  handler = (req, res) => res.end(`forwarded with ${req.headers["max-forwards"]}`);
  const answer = await call({ method: "OPTIONS", headers: { "max-forwards": "5" } });
  expect(answer.body.toString()).toBe("forwarded with 3"); // two proxies
  const last = await call({ method: "OPTIONS", headers: { "max-forwards": "0" } });
  expect([last.status, last.headers["x-mesh-error"]]).toEqual([400, "bad_request"]);
});

test("docs/proxy.md names every code and its status", () => {
  const text = readFileSync(new URL("../docs/proxy.md", import.meta.url), "utf8");
  const documented = [...text.matchAll(/^\| `(\w+)` \| (\d+)/gm)].map(([, code, status]) => `${code} ${status}`);
  expect(documented).toEqual(Object.entries(PROXY_ERRORS).map(([code, { status }]) => `${code} ${status}`));
});

test("pipelined requests before a half-close are all answered", async () => {
  handler = (req, res) => res.end(req.url);
  const one = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
  const text = await raw(one("/1") + one("/2") + one("/3"), undefined, true);
  expect(text.match(/\r\n\/\d/g)).toEqual(["\r\n/1", "\r\n/2", "\r\n/3"]);
});

test("clients that are slow with a head or a body are told 408, idle ones are closed (pitfall 47)", async () => {
  handler = (req, res) => void req.resume().on("end", () => res.end());
  const slow = (bytes: string): { got: Promise<string>; socket: Socket } => {
    const socket = connect(mesh.port, "127.0.0.1");
    socket.write(bytes);
    return {
      socket,
      got: new Promise((resolve) => {
        let text = "";
        socket.on("data", (data) => (text += data.toString()));
        socket.on("end", () => resolve(text));
      }),
    };
  };
  const [outbound] = mesh.source.outbounds.values();
  const before = outbound!.connectionCount;
  const head = slow("GET / HTTP/1.1\r\nhos");
  const body = slow("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx");
  const idle = slow("");
  await until("all are connected", () => outbound!.connectionCount === before + 3);
  await until("the proxy has read", () => mesh.destination.readStats().active[0]!.count === 1);
  const now = performance.now();
  outbound!.tick(now + 9_000);
  outbound!.tick(now + 11_000);
  outbound!.tick(now + 22_000);
  expect(await head.got).toMatch(/^HTTP\/1\.1 408 [\s\S]*request_timeout/);
  expect(await body.got).toMatch(/^HTTP\/1\.1 408 [\s\S]*body_timeout/);
  outbound!.tick(now + 80_000);
  expect(await idle.got).toBe("");
});
