/** What a peer, a client or an application must not be able to do to the proxy that serves everybody on its host. */
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { utf8Encode } from "../core/base/bytes.ts";
import { NO_OWNER } from "../io/sockets/pipe.ts";
import type { Pipe, PipeOwner } from "../io/sockets/pipe.ts";
import { AppPool } from "./app-pool.ts";
import { HttpExchange } from "./http-exchange.ts";
import type { HttpHop } from "./http-hop.ts";
import { Runtime } from "./runtime.ts";
import { TcpRelay } from "./tcp-relay.ts";
import { TestCa, outbound, pair, snapshot, tcpServer, until } from "./testing/mesh.ts";

/** A pipe that takes `room` bytes and then blocks until it is drained. */
class Scripted implements Pipe {
  owner: PipeOwner = NO_OWNER;
  text = "";
  ended = false;
  paused = false;
  blocked = false;
  private readonly room: number;

  constructor(room: number) {
    this.room = room;
  }

  write(bytes: Uint8Array, from: number, to: number): void {
    this.text += Buffer.from(bytes.subarray(from, to)).toString("latin1");
    if (this.blocked || this.text.length < this.room) return;
    this.blocked = true;
    this.owner.onBlocked();
  }

  drain(): void {
    this.text = "";
    this.blocked = false;
    this.owner.onDrain();
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.ended = true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}

/** Answers every request by itself. */
const denying = (meshClient: boolean): HttpHop => ({
  requestLines: undefined, viaOnRequest: true, meshUpstream: false, meshClient,
  route: (exchange) => exchange.answer("denied"),
  again: () => false,
  explain: () => undefined,
  requestSent: () => undefined,
  release: () => undefined,
  settle: () => undefined,
  closed: () => undefined,
});

const feed = (exchange: HttpExchange, text: string): void => {
  const bytes = utf8Encode(text);
  exchange.onBytes(bytes, 0, bytes.length);
};

test("an exchange that served a request with close serves no other stream: its parser takes nothing more", () => {
  const exchange = new HttpExchange(new Scripted(1e9), denying(true), 0);
  feed(exchange, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  expect(exchange.isReusable).toBe(true);
  exchange.reuse(new Scripted(1e9));
  feed(exchange, "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  expect(exchange.isClosed).toBe(true);
  expect(exchange.isReusable).toBe(false);
});

test("a client that pipelines and does not read its answers is not read either, and loses none (pitfall 47)", () => {
  const down = new Scripted(4_096);
  const exchange = new HttpExchange(down, denying(false), 0);
  feed(exchange, "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1_000));
  let answers = 0;
  for (let rounds = 0; rounds < 1_000 && answers < 1_000; rounds++) {
    expect(down.text.length).toBeLessThan(8_192);
    answers += down.text.split("HTTP/1.1 403").length - 1;
    if (down.blocked) down.drain();
  }
  expect(answers).toBe(1_000);
  expect(down.ended).toBe(false);
});

test("a connection that drains while a head is on its way ends with that request", () => {
  const down = new Scripted(1e9);
  const exchange = new HttpExchange(down, denying(false), 0);
  feed(exchange, "GET / HTTP/1.1\r\n");
  exchange.drain();
  expect(down.ended).toBe(false);
  feed(exchange, "host: a\r\n\r\n");
  expect(down.text).toContain("connection: close");
  expect(down.ended).toBe(true);
});

test("bytes that waited for an upstream do not lift its back pressure", () => {
  const down = new Scripted(1e9);
  const relay = new TcpRelay(down, { again: () => false, onOver: () => undefined });
  relay.onBytes(new Uint8Array(10), 0, 10);
  expect(down.paused).toBe(true);
  const up = new Scripted(5);
  relay.attach(up);
  expect(down.paused).toBe(true);
  up.drain();
  expect(down.paused).toBe(false);
});

test("a client on a socket path is cut without harm: that kind of socket has no reset", async () => {
  const folder = mkdtempSync(join(tmpdir(), "proxy-test-"));
  const path = join(folder, "db.sock");
  const ca = new TestCa();
  const caller = new Runtime();
  await caller.apply(snapshot(ca, {
    identities: [ca.identity("default/web")],
    outbounds: [outbound("default/web", "default/db", [], { bind: { path, mode: "" }, protocol: "tcp" })],
  }));
  const client = connect(path);
  client.on("error", () => undefined);
  await new Promise((resolve) => client.once("close", resolve));
  await caller.shutdown(0);
  rmSync(folder, { recursive: true });
});

test("an application connection that outlives its pool is closed when it is given back", async () => {
  let ended = false;
  const application = await tcpServer((socket) => socket.resume().on("end", () => {
    ended = true;
    socket.end();
  }));
  const pool = new AppPool("127.0.0.1", application.port);
  const lent = pool.take();
  await until("it is open", () => lent.pipe.wasOpened);
  pool.close();
  pool.give(lent);
  expect(pool.idleCount).toBe(0);
  await until("the application sees the end", () => ended);
  application.server.close();
});

test("a service that is registered again keeps nobody whom its policy denies by then", async () => {
  const pending: ServerResponse[] = [];
  const app = createServer((_req, res) => pending.push(res));
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  const mesh = await pair((app.address() as AddressInfo).port);
  const answer = fetch(`http://127.0.0.1:${mesh.port}/`, { method: "POST", body: "x" }).then((res) => res.status);
  await until("it runs", () => pending.length === 1);
  const { destinationSnapshot: there } = mesh;
  await mesh.destination.apply({ ...there, locals: [] });
  await mesh.destination.apply({ ...there, locals: [{ ...there.locals[0]!, intentions: [] }] });
  expect(await answer).toBe(502);
  await mesh.close();
  app.close();
  app.closeAllConnections();
});

test("a final answer to Expect: 100-continue ends the connection: what follows may be body or request", async () => {
  const application = createServer((_req, res) => res.end("never"));
  application.on("checkContinue", (_req, res: ServerResponse) => res.writeHead(417).end("no"));
  await new Promise<void>((done) => application.listen(0, "127.0.0.1", done));
  const hosts = await pair((application.address() as AddressInfo).port);
  let answer = "";
  let closed = false;
  const client = connect(hosts.port, "127.0.0.1");
  client.on("data", (bytes) => { answer += bytes.toString("latin1"); });
  client.on("close", () => { closed = true; });
  client.on("error", () => undefined);
  client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  await until("the answer", () => answer.includes("no"));
  client.write("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("the connection to end", () => closed);
  expect(answer).toMatch(/^HTTP\/1\.1 417 /);
  expect(answer.toLowerCase()).toContain("connection: close");
  expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  await hosts.close();
  application.close();
});
