import { expect, test } from "vitest";
import type { Reporter, TelemetryReport } from "../model/telemetry.ts";
import { bucketOf } from "./histogram.ts";
import { KEPT_MS, SLOT_MS, TelemetryStore } from "./topology.ts";

const T0 = 1_800_000_000_000;

interface Traffic {
  reporter?: Reporter;
  source?: string;
  code?: number;
  count: number;
  ms?: number;
}

function report({ reporter = "source", source = "default/web", code = 200, count, ms = 4 }: Traffic): TelemetryReport {
  const edge = { reporter, source, destination: "default/api" };
  return {
    node: "n", fromMs: 0, toMs: 0, tcp: [],
    requests: [{ ...edge, method: "GET", code, count }],
    durations: [{ ...edge, buckets: [[bucketOf(ms), count]], count, sumMs: ms * count }],
  };
}

const all = { fromMs: T0 - KEPT_MS, toMs: T0 + KEPT_MS };

test("both sides of a call are counted once, by the side that saw more", () => {
  const store = new TelemetryStore();
  store.add(report({ count: 10 }), T0);
  store.add(report({ reporter: "destination", count: 8 }), T0 + 1);
  store.add(report({ reporter: "destination", source: "outside/curl", count: 3 }), T0 + 2);
  const edges = store.topology(all);
  expect(edges.map((e) => [e.source, e.requestCount])).toEqual([["default/web", 10], ["outside/curl", 3]]);
  expect(store.service("default/api", all).requestCount).toBe(13);
});

test("errors are 5xx and requests without a status; 403 counts as denied", () => {
  const store = new TelemetryStore();
  for (const code of [200, 404, 403, 500, 503, 0]) store.add(report({ code, count: 2 }), T0);
  const sum = store.service("default/api", all);
  expect(sum).toMatchObject({ requestCount: 12, errorCount: 6, errorRate: 0.5, deniedCount: 2 });
});

test("quantiles come from the merged histogram and hold within 5 %", () => {
  const store = new TelemetryStore();
  store.add(report({ count: 98, ms: 4 }), T0);
  store.add(report({ count: 2, ms: 250 }), T0 + SLOT_MS);
  const sum = store.service("default/api", all);
  expect(Math.abs(sum.latencyP50Ms / 4 - 1)).toBeLessThan(0.05);
  expect(Math.abs(sum.latencyP99Ms / 250 - 1)).toBeLessThan(0.05);
  expect(sum.latencyMeanMs).toBeCloseTo((98 * 4 + 2 * 250) / 100);
});

test("a span selects slots, rates are per second of it", () => {
  const store = new TelemetryStore();
  store.add(report({ count: 10 }), T0);
  store.add(report({ count: 30 }), T0 + SLOT_MS);
  const second = { fromMs: T0 + SLOT_MS, toMs: T0 + 2 * SLOT_MS };
  expect(store.service("default/api", second)).toMatchObject({ requestCount: 30, requestRate: 3 });
  expect(store.series("default/api", all).map((p) => [p.atMs - T0, p.requestCount])).toEqual([[0, 10], [SLOT_MS, 30]]);
  expect(store.topology(second)[0]!.lastSeenMs).toBe(T0 + 2 * SLOT_MS);
});

test("a span that begins inside a slot takes the slot's whole count and its whole time", () => {
  const store = new TelemetryStore();
  for (let slot = 0; slot < 3; slot++) store.add(report({ count: 100 }), T0 + slot * SLOT_MS);
  const span = { fromMs: T0 + SLOT_MS - 2_000, toMs: T0 + 3 * SLOT_MS };
  expect(store.service("default/api", span)).toMatchObject({ requestCount: 300, requestRate: 10 });
});

test("an hour is kept, and a clock set back does not break the order", () => {
  const store = new TelemetryStore();
  store.add(report({ count: 1 }), T0);
  store.add(report({ count: 2 }), T0 + KEPT_MS);
  expect(store.series("default/api", all).map((p) => p.requestCount)).toEqual([]);
  store.add(report({ count: 4 }), T0);
  const later = { fromMs: T0, toMs: T0 + 2 * KEPT_MS };
  expect(store.series("default/api", later).map((p) => p.requestCount)).toEqual([6]);
});

test("TCP counts connections and bytes", () => {
  const store = new TelemetryStore();
  const edge = { reporter: "destination" as const, source: "default/web", destination: "default/db" };
  const tcp = [{ ...edge, connections: 2, sentBytes: 10, receivedBytes: 30 }];
  store.add({ requests: [], durations: [], tcp }, T0);
  expect(store.topology(all)[0]).toMatchObject({ tcpConnections: 2, sentBytes: 10, receivedBytes: 30 });
});
