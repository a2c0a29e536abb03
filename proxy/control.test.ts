import { afterAll, beforeAll, expect, test } from "vitest";
import { ChildProxy } from "./testing/child.ts";
import { TestCa, intention, local, snapshot, until } from "./testing/mesh.ts";
import { checkSnapshot } from "./snapshot-check.ts";

let proxy: ChildProxy;

beforeAll(async () => {
  proxy = await ChildProxy.start();
});

afterAll(() => {
  proxy.close();
});

test("the process acknowledges snapshots or refuses them, tells stats and dump, and ends with its agent", async () => {
  const ca = new TestCa();
  const good = snapshot(ca, { identities: [ca.identity("default/api")], locals: [local("default/api", 1)] });
  expect(await proxy.answer("hello")).toEqual({ type: "hello", pid: proxy.process.pid, protocol: 1 });
  proxy.send({ type: "snapshot", snapshot: good });
  const ack = await proxy.answer("ack");
  expect(ack.version).toBe(good.version);
  expect(ack.listeners).toEqual([{ key: "inbound", address: expect.stringMatching(/^127\.0\.0\.1:\d+$/), error: "" }]);
  const identities = [{ ...good.identities[0]!, keyPem: "no key" }];
  proxy.send({ type: "snapshot", snapshot: { ...good, version: 77, identities } });
  expect((await proxy.answer("nack")).version).toBe(77);
  proxy.send({ type: "stats", seq: 5 });
  const { seq, stats } = await proxy.answer("stats");
  expect([seq, stats.process.tunnels]).toEqual([5, 0]);
  expect(stats.process.anonymousBytes).toBeGreaterThan(1_000_000);
  proxy.send({ type: "dump", seq: 6 });
  const dump = await proxy.answer("dump");
  // The bad one changed nothing.
  expect(dump.dump).toMatchObject({ version: good.version, locals: [{ service: "default/api" }] });
  proxy.hangUp();
  await until("the proxy ends", () => proxy.exit !== undefined);
  expect(proxy.exit).toEqual({ code: 0 });
});

test.each([
  ["no object", null, "snapshot"],
  ["a port that is text", { inbound: { host: "127.0.0.1", port: "15008" } }, "inbound.port"],
  ["an unknown protocol", { locals: [{ service: "default/a", protocol: "udp" }] }, "locals[0].protocol"],
  ["a service's short name in capitals", { identities: [{ service: "default/API" }] }, "identities[0].service"],
  ["an unknown action",
    { locals: [local("default/a", 1, { intentions: [intention("*/*", "*/*", "maybe" as "deny")] })] },
    "locals[0].intentions[0].action"],
])("a snapshot with %s is refused and the field named", (_what, change, path) => {
  const ca = { root: { certPem: "x" }, trustDomain: "t" } as unknown as TestCa;
  const value = change === null ? null : { ...snapshot(ca, {}), ...change };
  expect(() => checkSnapshot(value)).toThrow(path);
});
