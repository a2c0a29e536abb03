/**
 * Clients and applications that do everything at the wrong moment, from a seed. Whatever they do, the proxies live, and
 * when it is over nothing is left: no stream, no exchange, no request counted as under way.
 */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { seededRandom } from "../../core/base/random.ts";
import type { Random } from "../../core/base/random.ts";
import type { Runtime } from "../../proxy/runtime.ts";
import { pair, tcpServer, until } from "../../proxy/testing/mesh.ts";
import type { Pair } from "../../proxy/testing/mesh.ts";

const pick = <T>(random: Random, items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
const BODY = randomBytes(200_000).toString("latin1");

/** Requests of every kind, good and bad. */
function request(random: Random): string {
  const host = "host: a\r\n";
  const body = BODY.slice(0, Math.floor(random() * random() * BODY.length));
  return pick(random, [
    `GET / HTTP/1.1\r\n${host}\r\n`,
    `GET / HTTP/1.1\r\n${host}\r\nGET /2 HTTP/1.1\r\n${host}\r\nHEAD /3 HTTP/1.1\r\n${host}\r\n`,
    `HEAD / HTTP/1.1\r\n${host}\r\n`,
    `GET / HTTP/1.0\r\n\r\n`,
    `POST / HTTP/1.1\r\n${host}content-length: ${body.length}\r\n\r\n${body}`,
    `POST / HTTP/1.1\r\n${host}expect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    `POST / HTTP/1.1\r\n${host}transfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n`
      + "0\r\nx: y\r\n\r\n",
    `GET / HTTP/1.1\r\n${host}connection: upgrade\r\nupgrade: echo\r\n\r\n${body}`,
    `CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\nafter`,
    `GET / HTTP/1.1\r\n${host}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    BODY.slice(0, 300),
    `GET / HTTP/1.1\r\n${host}x: ${"y".repeat(70_000)}\r\n\r\n`,
  ]);
}

/** Answers of every kind; some before the request is there. */
function answer(random: Random): string {
  const body = BODY.slice(0, Math.floor(random() * random() * BODY.length));
  return pick(random, [
    `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${(body.length + 1).toString(16)}\r\n${body}x\r\n0\r\n\r\n`,
    `HTTP/1.1 200 OK\r\n\r\n${body}`,
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello and more",
    `HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n${body}`,
    "nonsense\r\n\r\n",
    "",
  ]);
}

const endings: readonly ((socket: Socket) => void)[] = [
  (socket) => socket.end(), (socket) => socket.destroy(), (socket) => socket.resetAndDestroy(), () => undefined,
];

function application(random: Random): (socket: Socket) => void {
  return (socket) => {
    const act = (): void => {
      if (socket.destroyed) return;
      socket.write(answer(random), "latin1");
      if (random() < 0.5) setTimeout(() => pick(random, endings)(socket), random() * 5);
    };
    if (random() < 0.1) act();
    if (random() < 0.05) pick(random, endings)(socket);
    socket.on("data", () => {
      if (random() < 0.3) act();
      if (random() < 0.1) {
        socket.pause();
        setTimeout(() => socket.resume(), 3);
      }
    });
    // None lives for ever, as none does behind a real client's timeout.
    setTimeout(() => socket.destroy(), 150);
    socket.on("end", () => socket.end());
  };
}

function client(random: Random, port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
    socket.on("end", () => socket.end());
    if (random() < 0.8) socket.on("data", () => undefined);
    const bytes = request(random) + (random() < 0.3 ? request(random) : "");
    let at = 0;
    const step = (): void => {
      if (socket.destroyed || socket.writableEnded) return;
      const size = pick(random, [1, 17, 500, 9_000, 100_000]);
      socket.write(bytes.slice(at, at + size), "latin1");
      at += size;
      if (random() < 0.03) pick(random, endings)(socket);
      else if (at < bytes.length) setImmediate(step);
      else setTimeout(() => pick(random, endings)(socket), random() * 20);
    };
    step();
    setTimeout(() => socket.destroy(), 200);
  });
}

function left(runtime: Runtime): string {
  const { active } = runtime.readStats();
  const endpoints = [...runtime.outbounds.values()].flatMap(({ balancer }) => balancer.endpoints);
  return JSON.stringify([
    active.map(({ count }) => count), endpoints.map((one) => one.active), runtime.streamCount,
    [...runtime.outbounds.values()].map((one) => [one.connectionCount, one.series.active]),
  ]);
}

/** New certificates, and a policy that comes and goes, under the traffic. */
async function change(mesh: Pair, round: number): Promise<void> {
  const [api] = mesh.destinationSnapshot.locals;
  const renewed = { ...mesh.sourceSnapshot, identities: [mesh.ca.identity("default/web")] };
  if (round % 3 === 0) await mesh.source.apply(renewed);
  const intentions = round % 3 === 1 ? [] : api!.intentions;
  const identities = round % 2 === 0 ? [mesh.ca.identity("default/api")] : mesh.destinationSnapshot.identities;
  await mesh.destination.apply({ ...mesh.destinationSnapshot, identities, locals: [{ ...api!, intentions }] });
}

test.each([["http", 1, ""], ["http", 2, " and new configuration"], ["auto", 3, " and new configuration"],
  ["tcp", 4, " and new configuration"]] as const)(
  "chaos over %s from seed %i%s leaves nothing behind", async (protocol, seed, changing) => {
    const random = seededRandom(seed);
    const app = await tcpServer(application(random));
    const mesh = await pair(app.port, { protocol });
    for (let round = 0; round < 12; round++) {
      const clients = Promise.all(Array.from({ length: 40 }, () => client(random, mesh.port)));
      if (changing !== "") await change(mesh, round);
      await clients;
    }
    const nothing = /^\[\[0?\],\[0?\],0,\[(\[0,0\])?\]\]$/;
    let state = "";
    await until(`nothing is left`, () => {
      state = `${left(mesh.source)} ${left(mesh.destination)}`;
      return state.split(" ").every((side) => nothing.test(side));
    }, 5_000).catch(() => undefined);
    expect(state).toBe("[[],[0],0,[[0,0]]] [[0],[],0,[]]");
    await mesh.close();
    app.server.close();
  });
