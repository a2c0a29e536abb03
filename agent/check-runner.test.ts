import { createServer, type AddressInfo, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { parseServiceDefinitions } from "../core/model/service-parse.ts";
import type { ServiceDefinition } from "../core/model/service.ts";
import { CheckRunner } from "./check-runner.ts";
import type { CheckResult } from "./local-state.ts";

const poll = { timeout: 5_000, interval: 10 };
const services = (text: string): readonly ServiceDefinition[] => parseServiceDefinitions(text, { file: "t" }).services;
let runner: CheckRunner;
let server: Server | undefined;
afterEach(() => {
  runner.close();
  server?.close();
});

function start(text: string, restored?: CheckResult): (CheckResult | undefined)[] {
  const reports: (CheckResult | undefined)[] = [];
  runner = new CheckRunner({
    node: "n1", restored: () => restored, onDeregister: () => undefined,
    onReport: (_id, result) => reports.push(result),
  });
  runner.setServices(services(text));
  return reports;
}

async function listen(): Promise<number> {
  server = createServer((socket) => socket.destroy());
  await new Promise<void>((done) => { server!.listen(0, "127.0.0.1", done); });
  return (server.address() as AddressInfo).port;
}

test("a check runs at once, follows its target down and up, and its records say so", async () => {
  const port = await listen();
  start(`{name: web, port: 1, check: {id: c, name: door, notes: n, tcp: "127.0.0.1:${port}", interval: 100ms}}`);
  expect(runner.statusOf("web")).toBe("critical");
  await expect.poll(() => runner.statusOf("web"), poll).toBe("passing");
  server!.close();
  await expect.poll(() => runner.statusOf("web"), poll).toBe("critical");
  expect(runner.records()).toEqual([{ node: "n1", id: "c", name: "door", instanceId: "web", type: "tcp", notes: "n",
    status: "critical", output: `connect ECONNREFUSED 127.0.0.1:${port}` }]);
});

test("the same definition again leaves a check alone, another one replaces it, none removes it", () => {
  const ttl = (time: string): string => `{name: web, port: 1, check: {id: c, ttl: ${time}, status: passing}}`;
  const reports = start(ttl("1h"));
  runner.report("c", "warning", "half");
  runner.setServices(services(ttl("1h")));
  expect(runner.checks()[0]).toMatchObject({ status: "warning", output: "half" });
  runner.setServices(services(ttl("2h")));
  expect(runner.checks()[0]).toMatchObject({ status: "passing", output: "" });
  runner.setServices([]);
  expect([runner.checks(), reports.at(-1)]).toEqual([[], undefined]);
});

test("after a restart a service is not critical until its first result", () => {
  start("{name: web, port: 1, check: {ttl: 1h}}", { status: "passing", output: "as before" });
  expect([runner.statusOf("web"), runner.records()[0]!.output]).toEqual(["passing", "as before"]);
});

test("reports are for TTL checks that exist", () => {
  start('{name: web, port: 1, check: {id: c, tcp: "127.0.0.1:1", interval: 1h}}');
  expect(() => runner.report("c", "passing", "")).toThrow(/is no TTL check/);
  expect(() => runner.report("d", "passing", "")).toThrow(/there is no check "d"/);
});
