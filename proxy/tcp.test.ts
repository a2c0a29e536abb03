import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { intention, pair, tcpServer, until } from "./testing/mesh.ts";
import type { Pair } from "./testing/mesh.ts";

let mesh: Pair;
let application: Awaited<ReturnType<typeof tcpServer>>;
let serve: (socket: Socket) => void = () => undefined;
const live = new Set<Socket>();

beforeAll(async () => {
  application = await tcpServer((socket) => {
    live.add(socket);
    socket.on("close", () => live.delete(socket));
    serve(socket);
  });
  mesh = await pair(application.port, { protocol: "auto" });
});

afterAll(async () => {
  await mesh.close();
  application.server.close();
});

const clients: Socket[] = [];
const client = (): Socket => {
  const socket = connect({ port: mesh.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  clients.push(socket);
  return socket;
};

afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  await until("no connection is left at the application", () => live.size === 0);
});

const all = (socket: Socket): Promise<Buffer> => new Promise((resolve, reject) => {
  const pieces: Buffer[] = [];
  socket.on("data", (bytes: Buffer) => pieces.push(bytes));
  socket.on("end", () => resolve(Buffer.concat(pieces)));
  socket.on("close", () => reject(new Error("closed")));
});

test("the client may end first and still hears the answer", async () => {
  serve = (socket) => void all(socket).then((bytes) => socket.end(`got ${bytes.length}`));
  const socket = client();
  socket.end("\x00hello");
  expect((await all(socket)).toString()).toBe("got 6");
});

test("the server may end first and still hears the rest", async () => {
  let rest: Promise<Buffer> | undefined;
  serve = (socket) => {
    rest = all(socket);
    socket.end("bye");
  };
  const socket = client();
  socket.write("\x01one ");
  expect((await all(socket)).toString()).toBe("bye");
  socket.end("two");
  expect((await rest!).toString()).toBe("\x01one two");
});

test("a server that speaks first is heard though the client says nothing", async () => {
  serve = (socket) => socket.end("220 ready\r\n");
  expect((await all(client())).toString()).toBe("220 ready\r\n");
});

test("a line protocol that begins with a word and a space is not taken for HTTP", async () => {
  serve = (socket) => void socket.once("data", (bytes: Buffer) => socket.end(`echo ${bytes.toString()}`));
  const socket = client();
  socket.write("SET key value\r\n");
  expect((await all(socket)).toString()).toBe("echo SET key value\r\n");
});

test("a reset on one side is a reset on the other", async () => {
  serve = (socket) => void socket.once("data", () => socket.resetAndDestroy());
  const socket = client();
  const error = new Promise<string>((resolve) => socket.on("error", (e: NodeJS.ErrnoException) => resolve(e.code!)));
  socket.write("\x00");
  expect(await error).toBe("ECONNRESET");
});

test("a connection is reset when nothing listens at the application's port", async () => {
  const gone = await tcpServer(() => undefined);
  gone.server.close();
  const other = await pair(gone.port, { protocol: "tcp" });
  const socket = connect(other.port, "127.0.0.1");
  const error = new Promise<string>((resolve) => socket.on("error", (e: NodeJS.ErrnoException) => resolve(e.code!)));
  socket.write("x");
  expect(await error).toBe("ECONNRESET");
  await other.close();
});

test("no instance is a reset; a connection that runs outlives the removal of its upstream", async () => {
  serve = (socket) => void socket.on("data", (bytes) => socket.write(bytes)).on("end", () => socket.end());
  const other = await pair(application.port, { protocol: "tcp" });
  const open = (): Socket => {
    const socket = connect(other.port, "127.0.0.1");
    clients.push(socket);
    return socket;
  };
  const echo = (socket: Socket, text: string): Promise<string> => new Promise((resolve) => {
    socket.once("data", (bytes: Buffer) => resolve(bytes.toString()));
    socket.write(text);
  });
  const running = open();
  expect(await echo(running, "one")).toBe("one");
  const [out] = other.sourceSnapshot.outbounds;
  await other.source.apply({ ...other.sourceSnapshot, outbounds: [{ ...out!, endpoints: [] }] });
  const error = new Promise<string>((resolve) => open().on("error", (e: NodeJS.ErrnoException) => resolve(e.code!)));
  expect(await error).toBe("ECONNRESET");
  expect(await echo(running, "two")).toBe("two");
  await other.source.apply({ ...other.sourceSnapshot, outbounds: [] });
  expect(await echo(running, "three")).toBe("three");
  running.destroy();
  await other.close();
});

test("8 MB arrive unharmed each way through readers that stop and go", async () => {
  const body = randomBytes(8 * 1_048_576);
  const sum = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
  const slow = (socket: Socket): Promise<Buffer> => {
    let count = 0;
    socket.on("data", () => {
      if (++count % 50 !== 0) return;
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    });
    return all(socket);
  };
  let got: Promise<Buffer> | undefined;
  serve = (socket) => {
    got = slow(socket);
    socket.end(body);
  };
  const socket = client();
  const back = slow(socket);
  socket.write("\x00");
  socket.end(body);
  expect(sum(await back)).toBe(sum(body));
  expect(sum((await got!).subarray(1))).toBe(sum(body));
});

test("deleting an intention cuts the live connections that it allowed, and they are counted", async () => {
  serve = (socket) => void socket.on("data", (bytes) => socket.write(bytes)).on("end", () => socket.end());
  const socket = client();
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  await new Promise<void>((resolve) => {
    socket.on("data", () => resolve());
    socket.write("\x00ping");
  });
  const [local] = mesh.destinationSnapshot.locals;
  await mesh.destination.apply({ ...mesh.destinationSnapshot, version: 100, locals: [{ ...local!, intentions: [] }] });
  await closed;
  expect(mesh.destination.stats.policyCuts).toBe(1);
  await until("the application's side is cut too", () => live.size === 0);
  const denied = client();
  const reset = new Promise<string>((resolve) => denied.on("error", (e: NodeJS.ErrnoException) => resolve(e.code!)));
  denied.write("\x00");
  expect(await reset).toBe("ECONNRESET");
  expect(mesh.destination.readStats().denied).toEqual([
    { source: "default/web", destination: "default/api", count: 1 },
  ]);
  await mesh.destination.apply({
    ...mesh.destinationSnapshot, version: 101,
    locals: [{ ...local!, intentions: [intention("default/*", "default/api")] }],
  });
  const again = client();
  const answer = new Promise<string>((resolve) => again.on("data", (bytes: Buffer) => resolve(bytes.toString())));
  again.write("\x00back");
  expect(await answer).toBe("\x00back");
  again.destroy();
});

test("bytes and connections are counted on both sides", async () => {
  await until("connections ended", () => mesh.source.readStats().tcp[0]!.connections > 0);
  const [row] = mesh.destination.readStats().tcp;
  expect(row).toMatchObject({ reporter: "destination", source: "default/web", destination: "default/api" });
  expect(row!.receivedBytes).toBeGreaterThan(8 * 1_048_576);
});
