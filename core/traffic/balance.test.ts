import { expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import type { EndpointConfig } from "../model/snapshot.ts";
import { Balancer } from "./balance.ts";
import { mayRetry } from "./retry.ts";
import { subset } from "./subset.ts";

const endpoint = (id: string, more: Partial<EndpointConfig> = {}): EndpointConfig =>
  ({ id, node: `n-${id}`, host: "h", port: 1, weight: 1, healthy: true, ...more });

const counts = (balancer: Balancer, times: number): Record<string, number> => {
  const out: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const { id } = balancer.pick(0, [])!;
    out[id] = (out[id] ?? 0) + 1;
  }
  return out;
};

test("round robin by weight is smooth: 5, 1, 1 gives a a b a c a a", () => {
  const balancer = new Balancer(seededRandom(1));
  balancer.update("round_robin", [endpoint("a", { weight: 5 }), endpoint("b"), endpoint("c")]);
  const order = Array.from({ length: 7 }, () => balancer.pick(0, [])!.id).join("");
  expect(order).toBe("aabacaa");
});

test("unhealthy endpoints and weight zero get nothing; none left is undefined", () => {
  const balancer = new Balancer(seededRandom(1));
  balancer.update("round_robin", [endpoint("a", { healthy: false }), endpoint("b", { weight: 0 }), endpoint("c")]);
  expect(counts(balancer, 10)).toEqual({ c: 10 });
  balancer.update("round_robin", [endpoint("a", { healthy: false })]);
  expect(balancer.pick(0, [])).toBeUndefined();
});

test("least-request sends most to the least busy, with two choices by weight", () => {
  const balancer = new Balancer(seededRandom(2));
  balancer.update("least_request", [endpoint("a"), endpoint("b"), endpoint("c")]);
  const [a] = balancer.endpoints;
  a!.active = 50;
  const seen = counts(balancer, 900);
  expect(seen["a"]!).toBeLessThan(150); // only when it is drawn twice: 1/9
  expect(seen["b"]!).toBeGreaterThan(300);
});

test("an endpoint that could not be reached is left out for a while, unless all are so", () => {
  const balancer = new Balancer(seededRandom(3));
  balancer.update("round_robin", [endpoint("a"), endpoint("b")]);
  const [a, b] = balancer.endpoints;
  a!.connectFailed(1_000);
  const at = (nowMs: number): Set<string> => new Set([1, 2, 3, 4].map(() => balancer.pick(nowMs, [])!.id));
  expect(at(1_100)).toEqual(new Set(["b"]));
  expect(at(1_600)).toEqual(new Set(["a", "b"]));
  a!.connectFailed(2_000); // again: twice as long
  expect(at(2_900)).toEqual(new Set(["b"]));
  b!.connectFailed(2_900);
  expect(at(2_950).size).toBe(2);
  expect(balancer.pick(2_950, [a!, b!])).toBeUndefined();
});

test("an update keeps counts of endpoints that stay", () => {
  const balancer = new Balancer(seededRandom(3));
  balancer.update("round_robin", [endpoint("a"), endpoint("b")]);
  balancer.endpoints[0]!.active = 3;
  balancer.update("round_robin", [endpoint("a", { weight: 2 }), endpoint("c")]);
  expect(balancer.endpoints.map(({ id, active }) => [id, active])).toEqual([["a", 3], ["c", 0]]);
});

test("a subset has at most 16 hosts, is the same every time, moves little, and spreads evenly", () => {
  const hosts = Array.from({ length: 100 }, (_, i) => endpoint(`${i}`));
  const mine = subset(hosts, "caller-1");
  expect(mine).toHaveLength(16);
  expect(subset([...hosts].reverse(), "caller-1").map((e) => e.id).sort()).toEqual(mine.map((e) => e.id).sort());
  const without = subset(hosts.filter((e) => e.id !== mine[0]!.id), "caller-1");
  expect(without.filter((e) => mine.includes(e))).toHaveLength(15);
  const load = new Map<string, number>();
  for (let caller = 0; caller < 500; caller++) {
    for (const { id } of subset(hosts, `host-${caller}`)) load.set(id, (load.get(id) ?? 0) + 1);
  }
  expect(Math.min(...load.values())).toBeGreaterThan(40); // the mean is 80
  expect(Math.max(...load.values())).toBeLessThan(130);
});

test.each([
  ["nothing was connected", { kind: "unconnected" }, false, true],
  ["refused before it began", { kind: "refused", code: 2 }, false, true],
  ["refused for good", { kind: "refused", code: 64 }, true, false],
  ["lost, idempotent", { kind: "lost" }, true, true],
  ["lost, not idempotent", { kind: "lost" }, false, false],
] as const)("retry when %s (pitfall 48)", (_what, failure, idempotent, want) => {
  const question = { failure, attempts: 1, replayable: true, idempotent };
  expect(mayRetry(question)).toBe(want);
  expect(mayRetry({ ...question, replayable: false })).toBe(false);
  expect(mayRetry({ ...question, attempts: 3 })).toBe(false);
});
