import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseServiceDefinitions } from "../core/model/service-parse.ts";
import { createLogger } from "../io/logger.ts";
import { LocalState, checkConflicts, type RegisteredService } from "./local-state.ts";
import { loadServiceFiles } from "./services-dir.ts";

const log = createLogger({ name: "t", level: "silent" });
let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), "mesh-state-")); });
afterEach(() => rmSync(folder, { recursive: true }));

const services = (text: string): RegisteredService[] => parseServiceDefinitions(text, { file: "t" }).services
  .map((definition) => ({ definition, origin: "api" }));
const ids = (state: LocalState): string[] => state.services().map(({ definition }) => definition.id).sort();

test("registrations, maintenance and check results survive a restart", () => {
  const state = new LocalState(folder, log);
  const [web] = services("{name: web, port: 1}");
  expect([state.put([{ ...web!, maintenance: "new disk" }]), state.put([{ ...web!, maintenance: "new disk" }])])
    .toEqual([true, false]);
  state.setResult("c", { status: "passing", output: "ok" });
  state.flush();
  const again = new LocalState(folder, log);
  expect(again.services()).toEqual([{ ...web, maintenance: "new disk" }]);
  expect(again.result("c")).toEqual({ status: "passing", output: "ok" });
  expect([again.remove(["web"]), again.remove(["web"]), ids(new LocalState(folder, log))]).toEqual([true, false, []]);
});

test("damaged registrations stop the start with a fix, damaged check results are only a cache", () => {
  writeFileSync(join(folder, "checks.json"), "x");
  expect(ids(new LocalState(folder, log))).toEqual([]);
  writeFileSync(join(folder, "services.json"), "x");
  expect(() => new LocalState(folder, log)).toThrow(expect.objectContaining({ code: "STORAGE_CORRUPT" }));
});

test.each([
  ["{name: a, port: 1, check: {id: c, ttl: 10s}}", /check id "c" of service a is taken by service b/],
  ["{name: a, connect: {sidecar_service: {proxy: {upstreams: [{destination_name: x, local_bind_port: 9}]}}}}",
    /127.0.0.1:9, upstream x of service a, is taken by service b for db/],
])("refuses %s beside another service", (text, message) => {
  const upstreams = "connect: {sidecar_service: {proxy: {upstreams: [{destination_name: db, local_bind_port: 9}]}}}";
  const present = services(`{name: b, port: 2, check: {id: c, ttl: 10s}, ${upstreams}}`)
    .map(({ definition }) => definition);
  const incoming = services(text).map(({ definition }) => definition);
  expect(() => checkConflicts(incoming, present)).toThrow(message);
  expect(() => checkConflicts(present, present)).not.toThrow();
});

test("the services folder: loaded in name order, forgotten when gone, all mistakes of all files at once", () => {
  const state = new LocalState(folder, log);
  const dir = join(folder, "services");
  expect(loadServiceFiles(dir, state)).toEqual({ ids: [], warnings: [] });
  state.put(services("{name: manual, port: 1}"));
  const a = '{"service": {"name": "a", "port": 1}}';
  writeFiles(dir, { "b.yaml": "{name: b, port: 2, token: x}", "a.json": a, "x.txt": "!" });
  const loaded = loadServiceFiles(dir, state);
  expect(loaded)
    .toEqual({ ids: ["a", "b"], warnings: [expect.stringMatching(/b.yaml:1:20: service.token is ignored/)] });
  writeFiles(dir, { "a.json": '{"name": "a", "port": "1"}', "b.yaml": "{name: B, port: 2}" });
  expect(() => loadServiceFiles(dir, state)).toThrow(/a.json:1:23: service.port[^]*b.yaml:1:8: service.name/);
  expect(ids(state)).toEqual(["a", "b", "manual"]);
  rmSync(join(dir, "b.yaml"));
  writeFiles(dir, { "a.json": '{"name": "a", "port": 3}' });
  loadServiceFiles(dir, state);
  expect([ids(state), state.get("a")!.definition.port]).toEqual([["a", "manual"], 3]);
});

function writeFiles(dir: string, files: Record<string, string>): void {
  mkdirSync(dir, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
}
