import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as tlsConnect } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { IdentityConfig } from "../core/model/snapshot.ts";
import { TestCa, endpoint, intention, local, outbound, pair, snapshot } from "./testing/mesh.ts";
import type { Pair } from "./testing/mesh.ts";
import { Runtime } from "./runtime.ts";

const run = promisify(execFile);
const SNI = "api.default.svc.test.mesh";
let app: Server;
let mesh: Pair;
let folder: string;
let handler = (req: IncomingMessage, res: ServerResponse): void => {
  res.end(`hello ${String(req.headers["x-mesh-source"])}`);
};

beforeAll(async () => {
  app = createServer((req, res) => handler(req, res));
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  mesh = await pair((app.address() as AddressInfo).port);
  folder = mkdtempSync(join(tmpdir(), "proxy-test-"));
});

afterAll(async () => {
  await mesh.close();
  app.close();
  app.closeAllConnections();
  rmSync(folder, { recursive: true });
});

/** The outcome of a handshake and one byte of use: protocol, or the error. */
function handshake(options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket: TLSSocket = tlsConnect({
      host: "127.0.0.1", port: mesh.inboundPort, servername: SNI, ca: mesh.ca.root.certPem,
      checkServerIdentity: () => undefined, ...options,
    });
    socket.on("secureConnect", () => socket.write("GET / HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n"));
    let got = "";
    socket.on("data", (bytes: Buffer) => (got += bytes.toString()));
    socket.on("end", () => resolve(got === "" ? "closed" : `${socket.getProtocol()} ${socket.alpnProtocol} ${got}`));
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

const client = ({ chainPem, keyPem }: IdentityConfig): ConnectionOptions => ({ cert: chainPem, key: keyPem });

test("curl with a certificate of the mesh calls a service over plain mTLS and HTTP/1.1", async () => {
  const web = mesh.ca.identity("default/web");
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const args = [
    "--silent", "--show-error", "--include", "--cacert", file("ca", mesh.ca.root.certPem), "--cert",
    file("cert", web.chainPem), "--key", file("key", web.keyPem),
    "--connect-to", `${SNI}:443:127.0.0.1:${mesh.inboundPort}`, `https://${SNI}/`, `https://${SNI}/again`,
  ];
  const { stdout } = await run("curl", args);
  expect(stdout.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
  expect(stdout).toContain("hello default/web");
  const stranger = mesh.ca.identity("default/stranger");
  args[args.indexOf("--cert") + 1] = file("cert2", stranger.chainPem);
  args[args.indexOf("--key") + 1] = file("key2", stranger.keyPem);
  const denied = await run("curl", args);
  expect(denied.stdout).toMatch(/HTTP\/1\.1 403 Forbidden[\s\S]*x-mesh-error: denied/);
  expect(denied.stdout).toContain("no intention allows default/stranger to call default/api");
});

test("openssl sees TLS 1.3, the hybrid group and no session ticket (pitfall 31)", async () => {
  const web = mesh.ca.identity("default/web");
  for (const [name, text] of [["c", web.chainPem], ["k", web.keyPem], ["r", mesh.ca.root.certPem]] as const) {
    writeFileSync(join(folder, name), text);
  }
  const child = run("openssl", ["s_client", "-connect", `127.0.0.1:${mesh.inboundPort}`, "-servername", SNI, "-cert",
    join(folder, "c"), "-key", join(folder, "k"), "-CAfile", join(folder, "r"), "-verify_return_error",
    "-alpn", "http/1.1"]);
  child.child.stdin!.end("GET / HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n");
  const { stdout } = await child;
  expect(stdout).toContain("TLSv1.3");
  expect(stdout).toContain("ALPN protocol: http/1.1");
  expect(stdout).not.toContain("Session Ticket");
});

test("no client certificate, a foreign one, a host's own, or TLS 1.2: refused (pitfalls 30, 31, 36)", async () => {
  const other = new TestCa("other.mesh");
  const { ca } = mesh;
  expect(await handshake({})).toMatch(/CERTIFICATE_REQUIRED|ECONNRESET|closed/);
  expect(await handshake(client(other.identity("default/web")))).toMatch(/UNKNOWN_CA|ECONNRESET|closed/);
  expect(await handshake(client(ca.identity("default/web", "spiffe://test.mesh/node/n1"))))
    .toMatch(/ECONNRESET|closed/);
  expect(await handshake(client(ca.identity("default/web", "spiffe://elsewhere/ns/default/sa/web"))))
    .toMatch(/ECONNRESET|closed/);
  expect(await handshake({ ...client(ca.identity("default/web")), maxVersion: "TLSv1.2" })).toMatch(/PROTOCOL_VERSION/);
  expect(await handshake(client(ca.identity("default/web")))).toMatch(/^TLSv1.3 false HTTP\/1\.1 200/);
});

test("an unknown or absent server name ends the handshake with an alert", async () => {
  const web = client(mesh.ca.identity("default/web"));
  expect(await handshake({ ...web, servername: "nobody.default.svc.test.mesh" })).toMatch(/ALERT|HANDSHAKE_FAILURE/);
  expect(await handshake({ ...web, servername: "" })).toMatch(/ALERT|HANDSHAKE_FAILURE/);
  expect(await handshake({ ...web, servername: "api" })).toContain("200"); // a short name means the default namespace
  expect(await handshake({ ...web, ALPNProtocols: ["h3"] })).toMatch(/ALERT|NO_APPLICATION_PROTOCOL/);
});

test("a host that cannot prove to be the service called gets no request: 503 connect_failed", async () => {
  let called = 0;
  const impostor = new Runtime();
  const { ca } = mesh;
  app.on("request", () => called++);
  await impostor.apply(snapshot(ca, {
    identities: [{ ...ca.identity("default/other"), service: "default/api" }],
    locals: [local("default/api", (app.address() as AddressInfo).port, { intentions: [intention("*/*", "*/*")] })],
  }));
  const caller = new Runtime();
  await caller.apply(snapshot(ca, {
    identities: [ca.identity("default/web")],
    outbounds: [
      outbound("default/web", "default/api", [endpoint("api", impostor.portOf("inbound"))], { protocol: "http" }),
    ],
  }));
  const res = await fetch(`http://127.0.0.1:${caller.portOf("default/web/default/api")}/`);
  expect(res.status).toBe(503);
  expect(res.headers.get("x-mesh-error")).toBe("connect_failed");
  expect(await res.json()).toMatchObject({ error: { code: "connect_failed" } });
  expect(called).toBe(0);
  expect(JSON.stringify(caller.dump())).toContain("not the one called");
  await caller.shutdown(0);
  await impostor.shutdown(0);
});

test("a peer that breaks mesh/1 gets a GOAWAY that says why, and the others are served", async () => {
  const web = client(mesh.ca.identity("default/web"));
  const says = (bytes: Uint8Array): Promise<Buffer> => new Promise((resolve, reject) => {
    const socket = tlsConnect({
      host: "127.0.0.1", port: mesh.inboundPort, servername: SNI, ca: mesh.ca.root.certPem,
      checkServerIdentity: () => undefined, ALPNProtocols: ["mesh/1"], ...web,
    });
    const all: Buffer[] = [];
    socket.on("secureConnect", () => socket.write(bytes));
    socket.on("data", (data: Buffer) => all.push(data));
    socket.on("end", () => resolve(Buffer.concat(all)));
    socket.on("error", reject);
  });
  // A frame of type 9: GOAWAY, last stream 2^31-1, code 17 (frameType).
  const goaway = await says(Uint8Array.of(0, 0, 9, 0, 0, 0, 0, 0));
  expect(goaway.toString("hex")).toBe("00080500000000007fffffff00000011");
  for (let i = 0; i < 30; i++) {
    const got = await says(Buffer.concat([randomBytes(2), Buffer.of(7 + i), randomBytes(300)]));
    expect(got.readUInt8(2)).toBe(5);
  }
  expect(await handshake(web)).toContain("200");
});

test("a plain TLS client that reads slowly gets 6 MB whole, and a large upload passes", async () => {
  const body = randomBytes(6 * 1_048_576);
  const sum = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
  const pieces: Buffer[] = [];
  handler = (req, res) => {
    req.on("data", (bytes: Buffer) => pieces.push(bytes)).on("end", () => res.end(body));
  };
  const got = await new Promise<Buffer>((resolve, reject) => {
    const socket = tlsConnect({
      host: "127.0.0.1", port: mesh.inboundPort, servername: SNI, ca: mesh.ca.root.certPem,
      checkServerIdentity: () => undefined, ...client(mesh.ca.identity("default/web")),
    });
    socket.write(`POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`);
    socket.write(body);
    const all: Buffer[] = [];
    socket.on("data", (bytes: Buffer) => {
      all.push(bytes);
      if (all.length % 100 !== 0) return;
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    });
    socket.on("end", () => resolve(Buffer.concat(all)));
    socket.on("error", reject);
  });
  expect(sum(got.subarray(got.indexOf("\r\n\r\n") + 4))).toBe(sum(body));
  expect(sum(Buffer.concat(pieces))).toBe(sum(body));
});

test("the dump names what runs and holds no key", () => {
  const text = JSON.stringify([mesh.source.dump(), mesh.destination.dump()]);
  expect(text).toContain("spiffe://test.mesh/ns/default/sa/api");
  expect(text).not.toContain("PRIVATE KEY");
});
