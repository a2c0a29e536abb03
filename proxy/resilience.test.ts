import { createHash, randomBytes } from "node:crypto";
import { createServer, get as httpGet } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { ProxySnapshot } from "../core/model/snapshot.ts";
import { TestCa, endpoint, intention, local, outbound, pair, snapshot, tcpServer, until } from "./testing/mesh.ts";
import { Runtime } from "./runtime.ts";

let app: Server;
let appPort: number;
const plain = (req: IncomingMessage, res: ServerResponse): void => {
  req.resume().on("end", () => res.end("ok"));
};
let handler = plain;

beforeAll(async () => {
  app = createServer((req, res) => handler(req, res));
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  appPort = (app.address() as AddressInfo).port;
});

beforeEach(() => {
  handler = plain;
});

afterAll(() => {
  app.close();
  app.closeAllConnections();
});

const KEY = "default/web/default/api";

/** A caller and several hosts of `default/api`, all with the same application. */
async function several(hosts: number): Promise<{ caller: Runtime; hosts: Runtime[]; ca: TestCa; call: ProxySnapshot }> {
  const ca = new TestCa();
  const runtimes: Runtime[] = [];
  for (let i = 0; i < hosts; i++) {
    const runtime = new Runtime();
    await runtime.apply(snapshot(ca, {
      identities: [ca.identity("default/api")],
      locals: [local("default/api", appPort, { intentions: [intention("default/web", "default/api")] })],
    }));
    runtimes.push(runtime);
  }
  const caller = new Runtime();
  const call = snapshot(ca, {
    identities: [ca.identity("default/web")],
    outbounds: [outbound("default/web", "default/api", runtimes.map((one) => endpoint("api", one.portOf("inbound"))), {
      protocol: "http",
    })],
  });
  await caller.apply(call);
  return { caller, hosts: runtimes, ca, call };
}

const status = async (runtime: Runtime): Promise<number> => {
  const res = await fetch(`http://127.0.0.1:${runtime.portOf(KEY)}/`);
  await res.arrayBuffer();
  return res.status;
};

test("a host that is gone costs no failed request: others take over, and it is avoided", async () => {
  const { caller, hosts } = await several(3);
  for (let i = 0; i < 6; i++) expect(await status(caller)).toBe(200);
  await hosts[1]!.shutdown(0);
  const answers = new Set<number>();
  for (let i = 0; i < 30; i++) answers.add(await status(caller));
  expect(answers).toEqual(new Set([200]));
  await caller.shutdown(0);
  await Promise.all(hosts.map((host) => host.shutdown(0)));
});

test("an instance whose application is down is refused safely, also for POST, and another one answers", async () => {
  const { caller, hosts, ca } = await several(2);
  const down = await tcpServer(() => undefined);
  down.server.close();
  await hosts[0]!.apply(snapshot(ca, {
    identities: [ca.identity("default/api")],
    locals: [local("default/api", down.port, { intentions: [intention("*/*", "default/api")] })],
  }));
  for (let i = 0; i < 8; i++) {
    const res = await fetch(`http://127.0.0.1:${caller.portOf(KEY)}/`, { method: "POST", body: "x".repeat(5_000) });
    expect(await res.text()).toBe("ok");
  }
  await caller.shutdown(0);
  await Promise.all(hosts.map((host) => host.shutdown(0)));
});

test("no endpoint, no healthy one, none reachable, no instance there: 503 with a code that says which", async () => {
  const { caller, hosts, call } = await several(1);
  const [out] = call.outbounds;
  const codeWith = async (endpoints: ProxySnapshot["outbounds"][number]["endpoints"]): Promise<string> => {
    await caller.apply({ ...call, version: call.version + 1, outbounds: [{ ...out!, endpoints }] });
    const res = await fetch(`http://127.0.0.1:${caller.portOf(KEY)}/`);
    expect(res.status).toBe(503);
    const body = await res.json() as { error: { code: string } };
    expect(res.headers.get("x-mesh-error")).toBe(body.error.code);
    return body.error.code;
  };
  const there = out!.endpoints[0]!;
  expect(await codeWith([])).toBe("no_route");
  expect(await codeWith([{ ...there, healthy: false }])).toBe("no_healthy_instance");
  expect(await codeWith([{ ...there, port: 1 }])).toBe("connect_failed");
  expect(await codeWith([{ ...there, id: "not-there" }])).toBe("connect_failed");
  await caller.apply({ ...call, version: call.version + 9, identities: [] });
  const res = await fetch(`http://127.0.0.1:${caller.portOf(KEY)}/`);
  const message = "there is no certificate for default/web yet";
  expect(await res.json()).toEqual({ error: { code: "not_ready", message } });
  await caller.shutdown(0);
  await hosts[0]!.shutdown(0);
});

test("a denied call is 403 with a code, at the destination, and an intention takes effect at once", async () => {
  const mesh = await pair(appPort, { allow: false });
  const call = (): Promise<Response> => fetch(`http://127.0.0.1:${mesh.port}/`, { method: "POST", body: "abc" });
  const res = await call();
  expect([res.status, res.headers.get("x-mesh-error")]).toEqual([403, "denied"]);
  expect(await res.json()).toMatchObject({ error: { code: "denied" } });
  const [api] = mesh.destinationSnapshot.locals;
  const apply = (source: string): Promise<unknown> => mesh.destination.apply({
    ...mesh.destinationSnapshot, locals: [{ ...api!, intentions: [intention(source, "default/api")] }],
  });
  await apply("default/web");
  expect((await call()).status).toBe(200);
  await apply("default/other");
  expect((await call()).status).toBe(403);
  const { denied } = mesh.destination.readStats();
  expect(denied).toEqual([{ source: "default/web", destination: "default/api", count: 2 }]);
  await mesh.close();
});

test("certificates change under a long download: nothing is lost, new calls use new ones (pitfall 34)", async () => {
  const mesh = await pair(appPort);
  const body = randomBytes(6 * 1_048_576);
  handler = (req, res) => {
    if (req.url === "/long") res.end(body);
    else res.end("ok");
  };
  const sum = await new Promise<string>((resolve, reject) => {
    httpGet({ port: mesh.port, host: "127.0.0.1", path: "/long", agent: false }, (res) => {
      const hash = createHash("sha256");
      let swaps = 0;
      const swap = async (): Promise<void> => {
        res.pause();
        const renew = async (): Promise<void> => {
          await mesh.source.apply({ ...mesh.sourceSnapshot, identities: [mesh.ca.identity("default/web")] });
          await mesh.destination.apply({ ...mesh.destinationSnapshot, identities: [mesh.ca.identity("default/api")] });
        };
        await renew();
        // New streams on new tunnels while the old one still carries the download.
        for (let i = 0; i < 3; i++) expect((await fetch(`http://127.0.0.1:${mesh.port}/`)).status).toBe(200);
        res.resume();
      };
      res.on("data", (bytes: Buffer) => {
        hash.update(bytes);
        if (++swaps <= 2) swap().catch(reject);
      });
      res.on("end", () => resolve(hash.digest("hex")));
      res.on("error", reject);
    });
  });
  expect(sum).toBe(createHash("sha256").update(body).digest("hex"));
  await mesh.close();
});

test("24 MB arrive whole through a slow reader, with socket buffers of 8 and of 64 kB", async () => {
  const body = randomBytes(24 * 1_048_576);
  const want = createHash("sha256").update(body).digest("hex");
  handler = (_req, res) => res.end(body);
  const mesh = await pair(appPort);
  for (const size of [8_192, 65_536]) {
    const hash = createHash("sha256");
    let left = -1;
    let reads = 0;
    await new Promise<void>((resolve, reject) => {
      const socket: Socket = connect({
        port: mesh.port, host: "127.0.0.1",
        onread: {
          buffer: Buffer.alloc(size),
          callback: (count, bytes) => {
            let from = 0;
            if (left < 0) {
              from = Buffer.from(bytes.buffer, 0, count).indexOf("\r\n\r\n") + 4;
              left = body.length;
            }
            hash.update(bytes.subarray(from, count));
            left -= count - from;
            if (left === 0) resolve();
            if (++reads % 400 !== 0) return true;
            setTimeout(() => socket.resume(), 1);
            return false;
          },
        },
      });
      socket.on("error", reject);
      socket.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    });
    expect(hash.digest("hex")).toBe(want);
  }
  await mesh.close();
});

test("a port in use is named, the other listeners serve, and it is bound when it is free", async () => {
  const { caller, hosts, call } = await several(1);
  const taken = await tcpServer(() => undefined);
  const [out] = call.outbounds;
  const second = { ...out!, key: "second", bind: { host: "127.0.0.1", port: taken.port } };
  const next = { ...call, outbounds: [out!, second] };
  const states = await caller.apply(next);
  const { error } = states.find(({ key }) => key === "second")!;
  expect(error).toContain(`127.0.0.1:${taken.port} is already in use (EADDRINUSE)`);
  expect(await status(caller)).toBe(200);
  await new Promise((resolve) => taken.server.close(resolve));
  expect((await caller.apply(next)).map((state) => state.error)).toEqual(["", "", ""]);
  await caller.shutdown(0);
  await hosts[0]!.shutdown(0);
});

test("an upstream may listen on a socket path with a mode", async () => {
  const folder = mkdtempSync(join(tmpdir(), "proxy-test-"));
  const { caller, hosts, call } = await several(1);
  const path = join(folder, "api.sock");
  await caller.apply({ ...call, outbounds: [{ ...call.outbounds[0]!, bind: { path, mode: "0600" } }] });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const body = await new Promise<string>((resolve, reject) => {
    httpGet({ socketPath: path, path: "/", agent: false }, (res) => {
      res.setEncoding("utf8").on("data", resolve);
    }).on("error", reject);
  });
  expect(body).toBe("ok");
  await caller.shutdown(0);
  await hosts[0]!.shutdown(0);
  rmSync(folder, { recursive: true });
});

test("shutdown lets a request that runs finish, and cuts what outlasts the grace", async () => {
  const mesh = await pair(appPort);
  const pending: ServerResponse[] = [];
  handler = (_req, res) => pending.push(res);
  const first = fetch(`http://127.0.0.1:${mesh.port}/`);
  await until("the application has the request", () => pending.length === 1);
  const down = mesh.destination.shutdown(5_000);
  pending[0]!.end("done");
  expect(await (await first).text()).toBe("done");
  await down;
  await mesh.source.shutdown(0);

  const other = await pair(appPort);
  const cut = fetch(`http://127.0.0.1:${other.port}/`, { method: "POST", body: "x" });
  await until("the application has the request", () => pending.length === 2);
  await other.destination.shutdown(10);
  expect((await cut).status).toBe(502);
  await other.source.shutdown(0);
});
