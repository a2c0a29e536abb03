import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterEach, expect, test } from "vitest";
import { readFileIfExists, writeFileAtomic } from "../io/files.ts";
import { createLogger } from "../io/logger.ts";
import { joinHost, startTestServer, type TestServer, trustDomainOf } from "./fixture.ts";
import { type ServerOptions, startServer } from "./main.ts";

let mesh: TestServer | undefined;
afterEach(async () => {
  await mesh?.stop();
  mesh = undefined;
});

const log = createLogger({ name: "test", write: () => undefined });
const again = (dataDir: string, more: Partial<ServerOptions> = {}): ServerOptions => ({
  node: "s1", dataDir, bind: "127.0.0.1", advertise: "127.0.0.1", http: undefined, httpsPort: 0, grpcPort: 0,
  bootstrap: false, log, ...more,
});

test("a restart keeps cluster, token, hosts, services and intentions", async () => {
  mesh = await startTestServer({ trustDomain: "prod.example" });
  const host = await joinHost(mesh, "host-1", ["*"]);
  await host.register("web");
  host.client.close();
  await mesh.call("PUT /v1/connect/intentions/exact?source=web&destination=api", { body: { Action: "allow" } });
  const paths = [
    "/v1/connect/ca/roots", "/v1/catalog/service/web", "/v1/connect/intentions", "/v1/mesh/nodes", "/v1/acl/tokens",
  ];
  const read = (): Promise<unknown[]> =>
    Promise.all(paths.map(async (path) => (await mesh!.call(`GET ${path}`)).json));
  const before = await read();
  const { managementToken, gossipKey } = mesh.server;
  await mesh.restart();
  expect(mesh.server).toMatchObject({ managementToken, gossipKey });
  expect(await read()).toEqual(before);
  expect(await trustDomainOf(mesh)).toBe("prod.example");
});

test("the first token is shown to a person, not written; the ready file holds what a starter needs", async () => {
  let shown = "";
  const readyFile = join(tmpdir(), `mesh-ready-${process.pid}.json`);
  mesh = await startTestServer({ readyFile, showToken: (token) => (shown = token) });
  expect(mesh.server.managementToken).toBe(shown);
  expect(readFileIfExists(join(mesh.dataDir, "bootstrap-token"))).toBeUndefined();
  const ready = JSON.parse(readFileIfExists(readyFile)!.toString()) as unknown;
  rmSync(readyFile);
  expect(ready).toMatchObject({ http: mesh.server.httpPort, grpc: mesh.server.grpcPort, token: shown, dns: null });
  await mesh.restart();
  expect(mesh.server.managementToken).toBeUndefined();
});

test("mistakes at the start are named: no cluster, lost seal key, other trust domain, bad names", async () => {
  mesh = await startTestServer();
  const { dataDir, server } = mesh;
  await server.close();
  const refused = (options: ServerOptions): Promise<unknown> => startServer(options).then(
    () => "started", (error: unknown) => (error as Error).message);
  expect(await refused(again(join(dataDir, "empty")))).toContain("holds no cluster");
  expect(await refused(again(dataDir, { trustDomain: "other.example" }))).toContain("trust domain is");
  expect(await refused(again(dataDir, { node: "../s1" }))).toContain("cannot be a server's name");
  expect(await refused(again(dataDir, { advertise: "0.0.0.0" }))).toContain("no address that other hosts can call");
  expect(await refused(again(dataDir, { leafTtlMs: 8 * 86_400_000 }))).toContain("leaf_ttl");
  const key = readFileIfExists(join(dataDir, "seal.key"))!;
  rmSync(join(dataDir, "seal.key"));
  expect(await refused(again(dataDir))).toContain("seal.key is missing");
  writeFileAtomic(join(dataDir, "seal.key"), `${Buffer.alloc(32, 7).toString("base64")}\n`);
  expect(await refused(again(dataDir))).toContain("does not open");
  rmSync(join(dataDir, "seal.key"));
  const sealKeyCredential = join(dataDir, "handed-over");
  writeFileAtomic(sealKeyCredential, key);
  const handed = await startServer(again(dataDir, { sealKeyCredential }));
  await handed.close();
  writeFileAtomic(join(dataDir, "seal.key"), key);
  await mesh.restart();
  const { grpcPort } = mesh.server;
  expect(await refused(again(`${dataDir}/second`, { bootstrap: true, grpcPort }))).toContain("already in use");
});

/** Starts a server, takes the file from under its log, and asks for a change. */
const DYING = `
import { closeSync, mkdtempSync, readdirSync, readlinkSync } from "node:fs";
const [main, logger, dataDir] = process.argv.slice(1);
const { startServer } = await import(main);
const { createLogger } = await import(logger);
const server = await startServer({
  node: "s1", dataDir, bind: "127.0.0.1", advertise: "127.0.0.1", http: undefined, httpsPort: 0, grpcPort: 0,
  bootstrap: true, log: createLogger({ name: "server", level: "error" }),
});
for (const fd of readdirSync("/proc/self/fd")) {
  try {
    if (/raft\\/.*water/.test(readlinkSync("/proc/self/fd/" + fd))) closeSync(Number(fd));
  } catch {}
}
await server.createTicket({ role: "agent", allow: ["*"], ttlMs: 1000 }).catch(() => undefined);
setTimeout(() => process.exit(7), 5000);
`;

test("pitfall 19: after a disk error the server says why and ends with code 1", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "mesh-dying-"));
  const here = (path: string): string => join(import.meta.dirname, path);
  const args = ["--input-type=module", "-e", DYING, here("main.ts"), here("../io/logger.ts"), dataDir];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number];
  rmSync(dataDir, { recursive: true });
  expect([code, output]).toEqual([1, expect.stringContaining("the server stops")]);
  expect(output).toContain("STORAGE_FAILED");
});

test("TLS 1.2 and callers without a certificate do not get past the handshake of the gRPC port", async () => {
  mesh = await startTestServer();
  const td = await trustDomainOf(mesh);
  const roots = (await mesh.call("GET /v1/connect/ca/roots")).json as { Roots: { RootCert: string }[] };
  const attempt = (port: number, more: object): Promise<string> => new Promise((resolve) => {
    const socket = connect({
      host: "127.0.0.1", port, ca: roots.Roots[0]!.RootCert, servername: `server.${td}`, ALPNProtocols: ["h2"],
      ...more,
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on("end", () => resolve("ended"));
    socket.resume();
  });
  expect(await attempt(mesh.server.grpcPort, {})).toContain("CERTIFICATE_REQUIRED");
  expect(await attempt(mesh.server.grpcPort, { maxVersion: "TLSv1.2" })).toContain("PROTOCOL_VERSION");
  expect(await attempt(mesh.server.httpsPort, { maxVersion: "TLSv1.2", ALPNProtocols: ["http/1.1"] }))
    .toContain("PROTOCOL_VERSION");
});
