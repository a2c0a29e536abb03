import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { WatchEvent } from "../io/gen/mesh/v1/mesh.ts";
import { createLogger } from "../io/logger.ts";
import { TopicStore } from "./topic-store.ts";

let path: string;
let stores: TopicStore[];
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), "mesh-topics-")), "topics.json");
  stores = [];
});
afterEach(() => {
  for (const store of stores) store.flush();
  rmSync(join(path, ".."), { recursive: true });
});

function open(clusterId = "c1", onChange: (topic: string) => void = () => undefined): TopicStore {
  const store = new TopicStore({ path, clusterId, log: createLogger({ name: "t", level: "silent" }), onChange });
  stores.push(store);
  return store;
}
const event = (index: number, upserts: Record<string, unknown>, more: Partial<WatchEvent> = {}): WatchEvent => ({
  topic: "service/default/api", index, reset: false, deletes: [], datacenter: "",
  upserts: Object.entries(upserts).map(([key, value]) => ({ key, valueJson: Buffer.from(JSON.stringify(value)) })),
  ...more,
});

test("a snapshot, then deltas; a reset forgets; an old event changes nothing", () => {
  const seen: string[] = [];
  const store = open("c1", (topic) => seen.push(topic));
  expect(store.items("service/default/api")).toBeUndefined();
  store.apply(event(5, { a: 1, b: 2 }, { reset: true }));
  store.apply(event(7, { b: 3 }, { deletes: ["a"] }));
  store.apply(event(6, { b: 99 }));
  expect([store.items("service/default/api"), store.index(), seen.length]).toEqual([[3], 7, 2]);
  store.apply(event(8, {}, { reset: true }));
  expect(store.items("service/default/api")).toEqual([]);
});

test("pitfall 57: what was known is there after a restart, with the index to go on from", () => {
  const store = open();
  store.apply(event(5, { a: { id: "x" } }, { reset: true }));
  store.flush();
  const again = open();
  expect([again.get("service/default/api")?.index, again.items("service/default/api")]).toEqual([5, [{ id: "x" }]]);
});

test("the cache of another cluster, or a damaged one, is not used", () => {
  const store = open();
  store.apply(event(5, { a: 1 }));
  store.flush();
  expect(open("c2").index()).toBe(0);
  writeFileSync(path, "mesh-agent 1 00000000\n{}\n");
  expect(open().index()).toBe(0);
});

test("topics that nobody wants any more are forgotten", () => {
  const store = open();
  store.apply(event(5, { a: 1 }));
  store.keep(new Set(["roots"]));
  expect(store.items("service/default/api")).toBeUndefined();
});
