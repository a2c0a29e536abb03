/** One host, the whole path: what a user relies on, through real processes and peers that we did not write. */
import { execFile, spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Daemon, freePort, http, Lab, type Ready, service, until } from "./harness.ts";

const hasCurl = spawnSync("curl", ["--version"]).status === 0;

let lab: Lab;
let dev: Ready;
let daemon: Daemon;
let upstream = 0;
let tcpUpstream = 0;
let seen: { method: string; url: string; headers: Record<string, unknown>; body: string }[] = [];

beforeAll(async () => {
  lab = new Lab();
  ({ ready: dev, daemon } = await lab.dev());
  const app = await lab.app((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      seen.push({ method: req.method ?? "", url: req.url ?? "", headers: req.headers, body });
      res.setHeader("x-app", "api");
      res.end(`${req.method} ${req.url} ${body}`);
    });
  });
  const echo = await lab.tcpApp((socket) => socket.pipe(socket));
  upstream = await freePort();
  tcpUpstream = await freePort();
  await lab.ok(["agent", "register", "-"], { stdin: service("api", {
    port: app.port, check: { http: `http://127.0.0.1:${app.port}/health`, interval: "1s" },
  }) });
  await lab.ok(["agent", "register", "-"], { stdin: service("echo", { port: echo.port, protocol: "tcp" }) });
  await lab.ok(["agent", "register", "-", "--wait"], { stdin: service("web", {
    port: await freePort(), upstreams: { api: upstream, echo: tcpUpstream },
  }) });
}, 60_000);

afterAll(async () => {
  await lab[Symbol.asyncDispose]();
});

const call = (path = "/") => http(`http://127.0.0.1:${upstream}${path}`);

/** Sends bytes to the upstream port as they are and returns all that came back until the peer closed or 3 s passed. */
function raw(bytes: string | Buffer, port = upstream): Promise<string> {
  return new Promise((done) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    const finish = (): void => { socket.destroy(); done(answer); };
    socket.setTimeout(3_000, finish);
    socket.on("data", (chunk) => { answer += chunk.toString("latin1"); });
    socket.on("error", finish);
    socket.on("close", finish);
  });
}

/** Asynchronous: the application that curl calls through the mesh lives in this process. */
function curl(args: readonly string[]): Promise<{ code: number; stdout: string }> {
  return new Promise((done) => {
    execFile("curl", ["-sS", "--max-time", "10", ...args], (error, stdout) => {
      done({ code: typeof error?.code === "number" ? error.code : 0, stdout });
    });
  });
}

describe("one host", () => {
  test("nothing is allowed until an intention says so, and a change is live within a second", async () => {
    await until("the route to be there", async () => (await call()).status === 403);
    const denied = await call();
    expect(denied.headers["x-mesh-error"]).toBe("denied");
    expect(JSON.parse(denied.body)).toMatchObject({ error: { code: "denied" } });
    await lab.ok(["intention", "create", "web", "api"]);
    await until("the intention to be in force", async () => (await call()).status === 200, 1_000);
    expect((await lab.cli(["intention", "check", "web", "api"])).code).toBe(0);
    expect((await lab.cli(["intention", "check", "other", "api"])).code).toBe(1);
  });

  test("a request arrives whole, and says who sent it only in the mesh's own words", async () => {
    seen = [];
    const reply = await http(`http://127.0.0.1:${upstream}/a?b=c`, {
      method: "POST", body: "x".repeat(200_000),
      headers: { "x-one": "1", connection: "x-two", "x-two": "hop", "x-forwarded-client-cert": "forged" },
    });
    expect(reply.status).toBe(200);
    expect(reply.body).toBe(`POST /a?b=c ${"x".repeat(200_000)}`);
    expect(reply.headers["x-app"]).toBe("api");
    const request = seen.find((r) => r.method === "POST");
    expect(request?.headers["x-one"]).toBe("1");
    expect(request?.headers["x-two"]).toBeUndefined();
    expect(request?.headers["host"]).toBe(`127.0.0.1:${upstream}`);
    expect(JSON.stringify(request?.headers)).not.toContain("forged");
  });

  test("live TCP connections pass bytes, and end when the intention that allowed them is deleted", async () => {
    await lab.ok(["intention", "create", "web", "echo"]);
    const socket = await until("an allowed TCP connection", () => new Promise<ReturnType<typeof connect> | undefined>(
      (done) => {
        const s = connect(tcpUpstream, "127.0.0.1", () => s.write("hello"));
        s.once("data", () => done(s));
        s.once("error", () => done(undefined));
        s.once("close", () => done(undefined));
      }));
    let closed = false;
    socket.once("close", () => { closed = true; });
    socket.on("error", () => {});
    await lab.ok(["intention", "delete", "web", "echo"]);
    await until("the connection to be cut", () => closed, 2_000);
    expect(await raw("hello", tcpUpstream)).toBe("");
  });

  test.each([
    ["CL and TE", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["two different CL", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"],
    ["TE not final chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"],
    ["a bad chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n"],
    ["bare LF", "GET / HTTP/1.1\nHost: a\n\n"],
    ["obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"],
    ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
    ["no Host", "GET / HTTP/1.1\r\n\r\n"],
    ["NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n"],
  ])("pitfall 39, 40, 42: %s is 400 and closes, and the application never sees it", async (_, bytes) => {
    seen = [];
    const answer = await raw(`${bytes}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(seen.filter((r) => r.url !== "/health")).toEqual([]);
  });

  test("pitfall 47: a head over 64 kB is 431", async () => {
    const answer = await raw(`GET / HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(70_000)}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  });

  test("pipelined requests are answered in order", async () => {
    await until("the route", async () => (await call()).status === 200);
    const answer = await raw("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
      + "GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(answer.match(/GET \/\d/g)).toEqual(["GET /1", "GET /2", "GET /3"]);
  });

  test("a thousand idle connections cost the next request nothing", async () => {
    const idle = await Promise.all(Array.from({ length: 1_000 }, () => new Promise<ReturnType<typeof connect>>(
      (done, fail) => {
        const socket = connect(upstream, "127.0.0.1", () => done(socket));
        socket.on("error", fail);
      })));
    try {
      expect((await call("/among-idle")).status).toBe(200);
    } finally {
      for (const socket of idle) socket.destroy();
    }
  });

  test.skipIf(!hasCurl)("curl with an issued SVID is a caller like any other; without one it is nobody", async () => {
    const out = join(lab.folder, "svid");
    await lab.ok(["ca", "issue", "web", "--out", out]);
    await lab.ok(["ca", "issue", "stranger", "--out", `${out}-stranger`]);
    const files = (folder: string) => ["--cert", join(folder, "cert.pem"), "--key", join(folder, "key.pem"),
      "--cacert", join(folder, "roots.pem")];
    expect(statSync(join(out, "key.pem")).mode & 0o777).toBe(0o600);
    const { trust_domain: domain } = await lab.apiGet<{ trust_domain: string }>("/v1/mesh/status");
    const url = `https://api.default.svc.${domain}:${dev.inbound}/by-curl`;
    const to = ["--resolve", `api.default.svc.${domain}:${dev.inbound}:127.0.0.1`, "-w", " %{http_code}"];
    expect((await curl([...to, ...files(out), url])).stdout).toBe("GET /by-curl  200");
    expect((await curl([...to, ...files(`${out}-stranger`), url])).stdout).toMatch(/denied.* 403$/s);
    expect((await curl([...to, "--cacert", join(out, "roots.pem"), url])).code).not.toBe(0);
    expect((await curl([...to, "--tls-max", "1.2", ...files(out), url])).code).not.toBe(0);
  });

  test("catalog, health and blocking queries answer in Consul's shapes", async () => {
    const instances = await lab.apiGet<{ ServiceName: string; ServicePort: number }[]>("/v1/catalog/service/api");
    expect(instances).toMatchObject([{ ServiceName: "api" }]);
    const healthy = await until("api to be passing", async () => {
      const list = await lab.apiGet<{ Service: { ID: string }; Checks: { Status: string }[] }[]>(
        "/v1/health/service/api?passing");
      return list.length === 1 && list;
    });
    expect(healthy[0]?.Service.ID).toBe("api");
    const connectEntries = await lab.apiGet<{ Service: { Kind: string; Port: number } }[]>("/v1/health/connect/api");
    expect(connectEntries[0]?.Service).toMatchObject({ Kind: "connect-proxy", Port: dev.inbound });
    const first = await http(`http://${lab.api}/v1/catalog/services`, { headers: { "x-consul-token": lab.token } });
    const index = Number(first.headers["x-consul-index"]);
    expect(index).toBeGreaterThan(0);
    const waiting = http(`http://${lab.api}/v1/catalog/services?index=${index}&wait=10s`, {
      headers: { "x-consul-token": lab.token }, timeoutMs: 15_000,
    });
    await lab.ok(["agent", "register", "-"], { stdin: service("late", { port: 1 }) });
    const second = await waiting;
    expect(Number(second.headers["x-consul-index"])).toBeGreaterThan(index);
    expect(Object.keys(JSON.parse(second.body) as object)).toContain("late");
    await lab.ok(["agent", "deregister", "late"]);
  });

  test("metrics carry the names that were asked for, and the topology says who calls whom", async () => {
    await call();
    const reply = await http(`http://${lab.api}/v1/agent/metrics?format=prometheus`, {
      headers: { "x-consul-token": lab.token },
    });
    expect(reply.body).toMatch(/^requests_total\{.*service="api".*code="200".*\} \d+$/m);
    expect(reply.body).toMatch(/^request_duration_seconds_bucket\{.*service="api".*\} \d+$/m);
    expect(reply.body).toMatch(/^active_connections\{.*service="api".*\} \d+$/m);
    expect(reply.body).toMatch(/^circuit_breaker_state\{.*service="web",upstream="api".*\} 0$/m);
    await until("the edge in the topology", async () => {
      const text = JSON.stringify(await lab.apiGet<unknown>("/v1/mesh/topology"));
      return text.includes('"default/web"') && text.includes('"default/api"');
    }, 25_000);
  }, 40_000);

  test("kill -9 of the proxy: a new one serves within a second", async () => {
    await until("the route", async () => (await call()).status === 200);
    const children = readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, "utf8").trim().split(" ");
    const proxy = children.map(Number).find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("proxy"));
    expect(proxy).toBeGreaterThan(0);
    process.kill(proxy!, "SIGKILL");
    const killedAt = performance.now();
    await until("the proxy to serve again", async () => (await call()).status === 200, 5_000);
    expect(performance.now() - killedAt).toBeLessThan(1_500);
  });

  test("SIGTERM ends it cleanly, its proxy with it", async () => {
    const children = readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, "utf8").trim().split(" ");
    expect(await daemon.stop("SIGTERM")).toBe(0);
    await until("the proxy to be gone", () => children.every((pid) => {
      try {
        return !readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("proxy");
      } catch {
        return true;
      }
    }), 5_000);
  });
});
