/** The proxy under loads that take too long for its unit tests: real processes, real sockets. */
import { createHash, randomBytes } from "node:crypto";
import { Agent, createServer, get as httpGet, request } from "node:http";
import type { Server } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ProxySnapshot } from "../../core/model/snapshot.ts";
import { ChildProxy } from "../../proxy/testing/child.ts";
import { TestCa, endpoint, intention, local, outbound, snapshot, tcpServer, until } from "../../proxy/testing/mesh.ts";

const ca = new TestCa();
const KEY = "default/web/default/api";
const MEGABYTE = 1_048_576;
const children: ChildProxy[] = [];
let web: Server;
let webPort: number;

beforeAll(async () => {
  web = createServer((req, res) => {
    const hash = createHash("sha256");
    req.on("data", (bytes: Buffer) => hash.update(bytes));
    req.on("end", () => res.end(hash.digest("hex")));
  });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  webPort = (web.address() as AddressInfo).port;
});

afterAll(() => {
  for (const child of children) child.close();
  web.close();
  web.closeAllConnections();
});

async function start(): Promise<ChildProxy> {
  const child = await ChildProxy.start();
  children.push(child);
  return child;
}

const serves = (port: number): ProxySnapshot => snapshot(ca, {
  identities: [ca.identity("default/api")],
  locals: [local("default/api", port, { intentions: [intention("default/web", "default/api")] })],
});

const calls = (ports: readonly number[], protocol: "http" | "tcp"): ProxySnapshot => snapshot(ca, {
  identities: [ca.identity("default/web")],
  outbounds: [outbound("default/web", "default/api", ports.map((port) => endpoint("api", port)), { protocol })],
});

/** A caller's proxy, `hosts` hosts that serve the port, and the caller's listener. */
async function mesh(port: number, protocol: "http" | "tcp", hosts = 1): Promise<{
  source: ChildProxy; destinations: ChildProxy[]; port: number }> {
  const destinations = await Promise.all(Array.from({ length: hosts }, start));
  const ports = await Promise.all(destinations.map((one) => one.portAfter(serves(port), "inbound")));
  const source = await start();
  return { source, destinations, port: await source.portAfter(calls(ports, protocol), KEY) };
}

test("1 stalled of 100 connections over one tunnel holds nobody up, 64 MB in each direction", async () => {
  const share = Math.ceil((64 * MEGABYTE) / 100);
  const body = randomBytes(share);
  const taken = new Map<Socket, number>();
  const stalled = new Set<Socket>();
  const server = await tcpServer((socket) => {
    taken.set(socket, 0);
    socket.on("data", (bytes: Buffer) => {
      const first = taken.get(socket) === 0;
      taken.set(socket, taken.get(socket)! + bytes.length);
      // The first byte says whether this connection's reader at the server stops.
      if (first && bytes[0] === 1) {
        stalled.add(socket);
        socket.pause();
      }
    });
    socket.write(body);
    socket.on("end", () => socket.end());
  });
  const { source, port } = await mesh(server.port, "tcp");
  const clients = Array.from({ length: 100 }, (_, i) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const one = { socket, received: 0, ended: false };
    socket.on("data", (bytes: Buffer) => {
      one.received += bytes.length;
      if (i === 42) socket.pause(); // this client's reader stops
    });
    socket.on("end", () => {
      one.ended = true;
    });
    socket.write(Buffer.of(i === 17 ? 1 : 0));
    socket.end(body);
    return one;
  });
  const done = (): number => clients.filter(({ received, ended }) => ended && received === share).length;
  await until("98 connections are done", () => done() === 98, 40_000);
  expect((await source.stats()).process.tunnels).toBeGreaterThan(0);
  expect(done()).toBe(98);
  clients[42]!.socket.removeAllListeners("data").on("data", (bytes: Buffer) => {
    clients[42]!.received += bytes.length;
  });
  clients[42]!.socket.resume();
  for (const socket of stalled) socket.resume();
  await until("the stalled ones finish too", () => done() === 100, 20_000);
  expect([...taken.values()]).toEqual(Array.from({ length: 100 }, () => share + 1));
  server.server.close();
});

test("1,000 idle connections cost little, and requests pass between them", async () => {
  const { source, destinations, port } = await mesh(webPort, "http");
  const before = source.anonymousBytes();
  const sockets = await Promise.all(Array.from({ length: 1_000 }, () => new Promise<Socket>((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", reject);
    // One request each: an idle keep-alive connection, not just an open socket.
    socket.once("data", () => resolve(socket));
    socket.write("GET / HTTP/1.1\r\nhost: api\r\n\r\n");
  })));
  const more = source.anonymousBytes() - before;
  expect(more).toBeLessThan(30 * MEGABYTE);
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  expect(answer.status).toBe(200);
  expect((await source.stats()).process.tunnels).toBeLessThanOrEqual(4);
  for (const socket of sockets) socket.destroy();
  const active = async (): Promise<number> => (await destinations[0]!.stats()).active[0]!.count;
  expect(await active()).toBe(0);
});

test("uploads of 24 MB arrive whole at an application that reads slowly, with a length and in chunks", async () => {
  const slow = createServer((req, res) => {
    const hash = createHash("sha256");
    let reads = 0;
    req.on("data", (bytes: Buffer) => {
      hash.update(bytes);
      if (++reads % 100 !== 0) return;
      req.pause();
      setTimeout(() => req.resume(), 1);
    });
    req.on("end", () => res.end(hash.digest("hex")));
  });
  await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
  const { port } = await mesh((slow.address() as AddressInfo).port, "http");
  const body = randomBytes(24 * MEGABYTE);
  const want = createHash("sha256").update(body).digest("hex");
  for (const headers of [{ "content-length": String(body.length) }, {}]) {
    const got = await new Promise<string>((resolve, reject) => {
      const req = request({ port, host: "127.0.0.1", method: "POST", headers }, (res) => {
        res.setEncoding("utf8").on("data", resolve);
      });
      req.on("error", reject);
      for (let at = 0; at < body.length; at += MEGABYTE) req.write(body.subarray(at, at + MEGABYTE));
      req.end();
    });
    expect(got).toBe(want);
  }
  slow.close();
  slow.closeAllConnections();
});

test("kill -9 of one of two destination proxies under load: idempotent requests all succeed", async () => {
  const { destinations, port } = await mesh(webPort, "http", 2);
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const outcomes: (number | string)[] = [];
  const one = (): Promise<void> => new Promise((resolve) => {
    const req = httpGet({ port, host: "127.0.0.1", agent }, (res) => {
      outcomes.push(res.statusCode!);
      res.resume().on("end", resolve);
    });
    req.on("error", (error) => {
      outcomes.push(error.message);
      resolve();
    });
  });
  const worker = async (): Promise<void> => {
    while (outcomes.length < 3_000) {
      await one();
      if (outcomes.length === 1_000) destinations[0]!.process.kill("SIGKILL");
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  expect(outcomes.filter((outcome) => outcome !== 200)).toEqual([]);
  agent.destroy();
});
