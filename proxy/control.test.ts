import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AgentToProxy, ProxyToAgent } from "../core/model/control.ts";
import { PROXY_ENVIRONMENT, PROXY_NODE_FLAGS } from "../core/model/proxy-flags.ts";
import { TestCa, intention, local, snapshot, until } from "./testing/mesh.ts";
import { checkSnapshot } from "./snapshot-check.ts";

let folder: string;
let agent: Server;
let proxy: ChildProcess;
let control: Socket;
const messages: ProxyToAgent[] = [];
let exit: { code: number | null } | undefined;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "proxy-test-"));
  const path = join(folder, "control.sock");
  agent = createServer((socket) => {
    control = socket;
    let held = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      held = Buffer.concat([held, bytes]);
      while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
        const size = held.readUInt32BE();
        messages.push(JSON.parse(held.toString("utf8", 4, 4 + size)) as ProxyToAgent);
        held = held.subarray(4 + size);
      }
    });
  });
  await new Promise<void>((resolve) => agent.listen(path, resolve));
  const main = new URL("main.ts", import.meta.url).pathname;
  const node = new URL("../node_modules/.bin/node", import.meta.url).pathname;
  proxy = spawn(node, [...PROXY_NODE_FLAGS, main, "--socket", path], {
    env: { PATH: "/usr/bin:/bin", ...PROXY_ENVIRONMENT }, stdio: ["ignore", "inherit", "pipe"],
  });
  proxy.on("exit", (code) => (exit = { code }));
  await until("the proxy says hello", () => messages.some(({ type }) => type === "hello"));
});

afterAll(() => {
  proxy.kill("SIGKILL");
  agent.close();
  rmSync(folder, { recursive: true });
});

function send(message: AgentToProxy): void {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  // In pieces, as a socket may deliver them.
  control.write(head.subarray(0, 3));
  control.write(Buffer.concat([head.subarray(3), body]));
}

async function answer<T extends ProxyToAgent["type"]>(type: T): Promise<Extract<ProxyToAgent, { type: T }>> {
  await until(`the proxy answers ${type}`, () => messages.some((one) => one.type === type));
  const at = messages.findIndex((one) => one.type === type);
  return messages.splice(at, 1)[0] as Extract<ProxyToAgent, { type: T }>;
}

test("the process acknowledges snapshots, refuses bad ones by path, tells stats and dump, and ends with its agent", async () => {
  const ca = new TestCa();
  const good = snapshot(ca, { identities: [ca.identity("default/api")], locals: [local("default/api", 1)] });
  expect(await answer("hello")).toEqual({ type: "hello", pid: proxy.pid, protocol: 1 });
  send({ type: "snapshot", snapshot: good });
  const ack = await answer("ack");
  expect(ack.version).toBe(good.version);
  expect(ack.listeners).toEqual([{ key: "inbound", address: expect.stringMatching(/^127\.0\.0\.1:\d+$/), error: "" }]);
  send({ type: "snapshot", snapshot: { ...good, version: 77, identities: [{ ...good.identities[0]!, keyPem: "no key" }] } });
  expect((await answer("nack")).version).toBe(77);
  send({ type: "stats", seq: 5 });
  const { seq, stats } = await answer("stats");
  expect([seq, stats.process.tunnels]).toEqual([5, 0]);
  expect(stats.process.anonymousBytes).toBeGreaterThan(1_000_000);
  send({ type: "dump", seq: 6 });
  const dump = await answer("dump");
  expect(dump.dump).toMatchObject({ version: good.version, locals: [{ service: "default/api" }] }); // the bad one changed nothing
  control.destroy();
  await until("the proxy ends", () => exit !== undefined);
  expect(exit).toEqual({ code: 0 });
});

test.each([
  ["no object", null, "snapshot"],
  ["a port that is text", { inbound: { host: "127.0.0.1", port: "15008" } }, "inbound.port"],
  ["an unknown protocol", { locals: [{ service: "default/a", protocol: "udp" }] }, "locals[0].protocol"],
  ["a service's short name in capitals", { identities: [{ service: "default/API" }] }, "identities[0].service"],
  ["a wildcard action", { locals: [local("default/a", 1, { intentions: [{ ...intention("*/*", "*/*"), action: "maybe" as "deny" }] })] },
    "locals[0].intentions[0].action"],
])("a snapshot with %s is refused and the field named", (_what, change, path) => {
  const ca = { root: { certPem: "x" }, trustDomain: "t" } as unknown as TestCa;
  const value = change === null ? null : { ...snapshot(ca, {}), ...change };
  expect(() => checkSnapshot(value)).toThrow(path);
});
