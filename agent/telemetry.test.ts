import { expect, test } from "vitest";
import type { ProxyStats } from "../core/model/telemetry.ts";
import { TelemetryTotals } from "./telemetry.ts";

const EDGE = { reporter: "destination" as const, source: "default/ui", destination: "default/web" };
const stats = (startedAtMs: number, count: number): ProxyStats => ({
  startedAtMs, active: [], process: { anonymousBytes: 0, cpuSeconds: 0, loopDelayP99Ms: 0, tunnels: 0 },
  requests: [{ ...EDGE, method: "GET", code: 200, count }],
  durations: [{ ...EDGE, buckets: [[3, count]], count, sumMs: 2 * count }],
  tcp: [{ ...EDGE, connections: count, sentBytes: 10 * count, receivedBytes: 0 }],
  denied: [{ source: "a", destination: "b", count }],
});

test("totals go on growing when the proxy starts anew and counts from zero", () => {
  const telemetry = new TelemetryTotals(0);
  telemetry.absorb(stats(1, 5));
  telemetry.absorb(stats(1, 8));
  telemetry.absorb(stats(2, 3));
  telemetry.absorb(stats(2, 3));
  const { requests, durations, tcp, denied } = telemetry.totals;
  expect([[...requests.values()][0]!.count, [...durations.values()][0], [...tcp.values()][0]!.sentBytes,
    [...denied.values()][0]!.count])
    .toEqual([11, { ...EDGE, buckets: [[3, 11]], count: 11, sumMs: 22 }, 110, 11]);
});

test("a report carries what is new; one that did not arrive counts into the next", () => {
  const telemetry = new TelemetryTotals(100);
  telemetry.absorb(stats(1, 5));
  const first = telemetry.take("n1", 200);
  expect([first.fromMs, first.toMs, first.requests[0]!.count]).toEqual([100, 200, 5]);
  expect(telemetry.take("n1", 201).requests).toEqual([]);
  telemetry.absorb(stats(1, 7));
  telemetry.putBack(first);
  const second = telemetry.take("n1", 300);
  expect([second.fromMs, second.requests[0]!.count, second.durations[0]!.buckets]).toEqual([100, 7, [[3, 7]]]);
});
