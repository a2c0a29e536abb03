import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CounterTable } from "./counters.ts";
import { BUCKET_COUNT, Histogram, bucketMiddleMs, bucketOf, bucketUpperMs, mergePairs, quantile, subtractPairs }
  from "./histogram.ts";

test("a duration lies in its bucket, and the bucket's middle is within 5 % of it (1 µs to 10 min)", () => {
  fc.assert(fc.property(fc.double({ min: 0.001, max: 600_000, noNaN: true }), (ms) => {
    const bucket = bucketOf(ms);
    expect(ms).toBeLessThanOrEqual(bucketUpperMs(bucket) * (1 + 1e-9));
    if (bucket > 0) expect(ms).toBeGreaterThan(bucketUpperMs(bucket - 1) * (1 - 1e-9));
    expect(Math.abs(bucketMiddleMs(bucket) - ms) / ms).toBeLessThan(0.05);
  }));
});

test("the ends hold what is beyond them", () => {
  expect([bucketOf(0), bucketOf(-1), bucketOf(Number.NaN), bucketOf(0.001)]).toEqual([0, 0, 0, 0]);
  expect(bucketOf(Infinity)).toBe(BUCKET_COUNT - 1);
  expect(bucketUpperMs(BUCKET_COUNT - 1)).toBe(Infinity);
  expect(bucketUpperMs(bucketOf(600_000))).toBeLessThan(Infinity);
  expect(bucketOf(0.002)).toBe(8);
});

test("quantiles are those of the sorted list, within 5 %", () => {
  const list = fc.array(fc.double({ min: 0.01, max: 10_000, noNaN: true }), { minLength: 1 });
  fc.assert(fc.property(list, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
    const histogram = new Histogram();
    for (const v of values) histogram.record(v);
    const sorted = [...values].sort((a, b) => a - b);
    const exact = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!;
    expect(Math.abs(quantile(histogram.toPairs(), q) - exact) / exact).toBeLessThan(0.05);
    expect(histogram.count).toBe(values.length);
  }));
  expect(quantile([], 0.5)).toBe(0);
});

test("pairs merge and subtract as the recordings would", () => {
  const a = new Histogram();
  a.record(1);
  const before = a.toPairs();
  a.record(1);
  a.record(50);
  expect(mergePairs(before, subtractPairs(a.toPairs(), before))).toEqual(a.toPairs());
});

test("counters keep rows apart, and keys beyond the bound share one row", () => {
  const table = new CounterTable(2, 4);
  const rows = ["a", "b", "c", "d", "e"].map((key) => table.row(key));
  expect(rows).toEqual([0, 1, 2, 3, 3]);
  expect(table.row("a")).toBe(0);
  table.add(0, 1);
  table.add(3, 0, 5);
  expect([table.get(0, 0), table.get(0, 1), table.get(3, 0), table.rowCount]).toEqual([0, 1, 5, 4]);
  const many = new CounterTable(3);
  for (let i = 0; i < 100; i++) many.add(many.row(`k${i}`), 2, i);
  const seen: number[] = [];
  many.forEach((_key, row) => void seen.push(many.get(row, 2)));
  expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i));
});
