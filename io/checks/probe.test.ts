import { Server, ServerCredentials, type handleUnaryCall } from "@grpc/grpc-js";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttp, type RequestListener } from "node:http";
import { createServer as createTcp, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { CheckProbe } from "../../core/model/service.ts";
import { runProbe, type ProbeResult } from "./probe.ts";

const cleanups: (() => void)[] = [];
afterEach(() => { for (const clean of cleanups.splice(0)) clean(); });

const run = (probe: Exclude<CheckProbe, { type: "ttl" }>, timeoutMs = 5_000): Promise<ProbeResult> =>
  runProbe(probe, { timeoutMs, signal: new AbortController().signal });

function serve(listener: RequestListener): Promise<string> {
  const server = createHttp(listener);
  cleanups.push(() => { server.closeAllConnections(); server.close(); });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/health`));
  });
}
const http = (url: string, change: Partial<CheckProbe & { type: "http" }> = {}): CheckProbe & { type: "http" } =>
  ({ type: "http", url, method: "GET", body: "", headers: {}, tlsSkipVerify: false, ...change });
const script = (...args: string[]): CheckProbe & { type: "script" } => ({ type: "script", args });

test.each([
  [200, "passing"], [204, "passing"], [302, "critical"], [404, "critical"], [429, "warning"], [503, "critical"],
])("HTTP %d is %s", async (code, status) => {
  const url = await serve((_req, res) => { res.writeHead(code, { location: "/" }).end(code === 204 ? "" : "body"); });
  const result = await run(http(url));
  expect(result.status).toBe(status);
  expect(result.output).toMatch(new RegExp(`^HTTP GET ${url}: ${code} `));
});

test("method, headers and body are sent", async () => {
  const url = await serve((req, res) => {
    let body = "";
    req.on("data", (part) => { body += part; });
    req.on("end", () => res.end([req.method, req.headers["x-a"], req.headers.host, body].join(" ")));
  });
  const headers = { "X-A": ["1", "2"], Host: ["web.internal"] };
  expect((await run(http(url, { method: "POST", headers, body: "ping" }))).output)
    .toContain("Output: POST 1, 2 web.internal ping");
});

test("an endless body is not read to its end", async () => {
  const url = await serve((_req, res) => {
    const more = (): void => { while (res.write("x".repeat(65_536)) && !res.destroyed); };
    res.on("drain", more);
    more();
  });
  const result = await run(http(url));
  expect([result.status, result.output.length < 4_300]).toEqual(["passing", true]);
});

test("an HTTP server that never answers ends at the time limit", async () => {
  const url = await serve(() => undefined);
  expect(await run(http(url), 50)).toEqual({ status: "critical", output: "timed out after 50 ms" });
});

test("TCP: accepted is passing, refused is critical and says so", async () => {
  const server = createTcp((socket) => socket.end());
  await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const { port } = server.address() as AddressInfo;
  expect((await run({ type: "tcp", host: "127.0.0.1", port })).status).toBe("passing");
  await new Promise((resolve) => { server.close(resolve); });
  expect(await run({ type: "tcp", host: "127.0.0.1", port }))
    .toEqual({ status: "critical", output: `connect ECONNREFUSED 127.0.0.1:${port}` });
});

const EXITS = [[0, "passing"], [1, "warning"], [2, "critical"], [127, "critical"]] as const;
test.each(EXITS)("exit %d is %s", async (code, status) => {
  expect(await run(script("/bin/sh", "-c", `echo out; echo err >&2; exit ${code}`)))
    .toEqual({ status, output: expect.stringMatching(/^(out\nerr|err\nout)\n$/) });
});

test("a program that is not there is critical", async () => {
  expect(await run(script("/no/such/program")))
    .toEqual({ status: "critical", output: "spawn /no/such/program ENOENT" });
});

test("a script sees none of the agent's environment", async () => {
  process.env["MESH_TOKEN"] = "secret";
  expect((await run(script("/usr/bin/env"))).output).not.toContain("secret");
  delete process.env["MESH_TOKEN"];
});

test("at the time limit a script ends with all that it started, and its output is bounded", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-script-"));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const inner = `sh -c 'echo $$ > ${folder}/pid; while :; do echo xxxxxxxxxxxxxxxx; done' & wait`;
  const result = await run(script("/bin/sh", "-c", inner), 300);
  expect(result).toEqual({ status: "critical", output: "timed out after 300 ms" });
  const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
  const gone = (): boolean => { try { process.kill(pid, 0); return false; } catch { return true; } };
  await expect.poll(gone, { timeout: 5_000 }).toBe(true);
});

test("gRPC health: SERVING is passing, NOT_SERVING critical, an unknown service says so", async () => {
  const server = new Server();
  const bytes = (b: Buffer): Buffer => b;
  const check: handleUnaryCall<Buffer, Buffer> = (call, reply) => {
    const service = call.request.subarray(2).toString();
    if (service === "gone") reply({ code: 5, details: "unknown service" });
    else reply(null, Buffer.from([8, service === "sick" ? 2 : 1]));
  };
  server.register("/grpc.health.v1.Health/Check", check, bytes, bytes, "unary");
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  cleanups.push(() => server.forceShutdown());
  const probe = (service: string): Promise<ProbeResult> =>
    run({ type: "grpc", host: "127.0.0.1", port, service, useTls: false });
  const where = `GRPC 127.0.0.1:${port}`;
  expect([(await probe("")).status, (await probe("sick")).output, (await probe("gone")).output])
    .toEqual(["passing", `${where}/sick: NOT_SERVING`, `${where}/gone: NOT_FOUND: unknown service`]);
});

test("gRPC where nothing listens: the reason, and nothing about the library", async () => {
  const { output } = await run({ type: "grpc", host: "127.0.0.1", port: 1, service: "", useTls: false });
  expect(output).toBe("GRPC 127.0.0.1:1/: UNAVAILABLE: connect ECONNREFUSED 127.0.0.1:1");
});

test("a removed check's probe ends at once", async () => {
  const stop = new AbortController();
  const running = runProbe(script("/bin/sleep", "60"), { timeoutMs: 60_000, signal: stop.signal });
  stop.abort();
  expect((await running).status).toBe("critical");
});
