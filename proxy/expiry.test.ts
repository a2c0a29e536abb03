import { connect } from "node:net";
import type { Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import type { IdentityConfig } from "../core/model/snapshot.ts";
import { Runtime } from "./runtime.ts";
import { TestCa, endpoint, intention, local, outbound, snapshot, tcpServer, until } from "./testing/mesh.ts";

const HOUR_MS = 3_600_000;

afterEach(() => {
  vi.useRealTimers();
});

/** A connection through an upstream port that is known to reach the application, which echoes. */
async function echoing(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await echo(socket);
  return socket;
}

function echo(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once("data", (bytes) => resolve(bytes.toString()));
    socket.once("close", () => reject(new Error("the connection was cut")));
    socket.write("x");
  });
}

test("a connection outlives its first certificate if its host renews, else it is cut (pitfall 34)", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const born = Date.now();
  const ca = new TestCa();
  const application = await tcpServer((socket) => socket.pipe(socket));
  const host = new Runtime();
  await host.apply(snapshot(ca, {
    identities: [ca.identity("default/api", undefined, 20 * HOUR_MS)],
    locals: [local("default/api", application.port, {
      protocol: "tcp", intentions: ["web", "idler"].map((name) => intention(`default/${name}`, "default/api")),
    })],
  }));
  // Made before the clock is moved: TLS itself reads the real one.
  const lives = (service: string): Map<number, IdentityConfig> =>
    new Map([1, 2, 4].map((hours) => [hours, ca.identity(service, undefined, hours * HOUR_MS)]));
  const identities = new Map(["default/web", "default/idler"].map((service) => [service, lives(service)]));
  const caller = async (runtime: Runtime, service: string, hours: number): Promise<number> => {
    await runtime.apply(snapshot(ca, {
      identities: [identities.get(service)!.get(hours)!],
      outbounds: [outbound(service, "default/api", [endpoint("api", host.portOf("inbound"))], { protocol: "tcp" })],
    }));
    return runtime.portOf(`${service}/default/api`);
  };
  const [web, idler] = [new Runtime(), new Runtime()];
  const kept = await echoing(await caller(web, "default/web", 1));
  // Each round the caller renews in time, while the other one does not; the end of the first certificate passes.
  for (const hours of [2, 4]) {
    const cut = await echoing(await caller(idler, "default/idler", hours / 2));
    await caller(web, "default/web", hours);
    await until("the new certificate was shown", () => host.readStats().process.tunnels >= 3);
    vi.setSystemTime(born + (hours / 2) * HOUR_MS + 60_000);
    await until("what was not renewed is cut", () => cut.destroyed);
    expect(await echo(kept)).toBe("x");
  }
  kept.destroy();
  for (const runtime of [web, idler, host]) await runtime.shutdown(0);
  application.server.close();
});

test("pitfall 37: a destination that does not renew is left when its certificate ends", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const born = Date.now();
  const ca = new TestCa();
  const application = await tcpServer((socket) => socket.pipe(socket));
  const [host, caller] = [new Runtime(), new Runtime()];
  const lives = new Map([1, 2].map((hours) => [hours, ca.identity("default/api", undefined, hours * HOUR_MS)]));
  const serve = (hours: number): Promise<unknown> => host.apply(snapshot(ca, {
    identities: [lives.get(hours)!],
    locals: [local("default/api", application.port, {
      protocol: "tcp", intentions: [intention("default/web", "default/api")],
    })],
  }));
  await serve(1);
  await caller.apply(snapshot(ca, {
    identities: [ca.identity("default/web", undefined, 20 * HOUR_MS)],
    outbounds: [outbound("default/web", "default/api", [endpoint("api", host.portOf("inbound"))], { protocol: "tcp" })],
  }));
  const port = caller.portOf("default/web/default/api");
  const live = await echoing(port);
  await serve(2);
  await until("the new certificate was shown", () => caller.readStats().process.tunnels >= 2);
  vi.setSystemTime(born + HOUR_MS + 60_000);
  expect(await echo(live)).toBe("x");
  expect(await echo(await echoing(port))).toBe("x");
  vi.setSystemTime(born + 2 * HOUR_MS + 60_000);
  await until("what was not renewed is cut", () => live.destroyed);
  await expect(echoing(port)).rejects.toThrow("cut");
  for (const runtime of [caller, host]) await runtime.shutdown(0);
  application.server.close();
});
