import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../base/time.ts";
import { planRenewal, renewAt, renewalFailed, renewalState } from "./renewal.ts";
import type { Renewal } from "./renewal.ts";

const START = Date.UTC(2026, 10, 23);
const END = START + 24 * HOUR_MS;
const half = (): number => 0.5;

describe("pitfall 34: renewal at a jittered 1/2 to 2/3 of life", () => {
  test("always inside, and spread over the whole of it", () => {
    const random = seededRandom(7);
    const shares = Array.from({ length: 2000 }, () => (renewAt(START, END, random) - START) / (END - START));
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(1 / 2);
    expect(Math.max(...shares)).toBeLessThanOrEqual(2 / 3);
    expect(Math.min(...shares)).toBeLessThan(0.502);
    expect(Math.max(...shares)).toBeGreaterThan(0.664);
  });

  test("a fresh certificate is left alone until then, and its host is safe for 8 h after", () => {
    const plan = planRenewal(START, END, () => 0.999_999);
    expect(renewalState(plan, plan.attemptAtMs - 1)).toMatchObject({ phase: "fresh", attempt: false, alarm: false });
    expect(renewalState(plan, plan.attemptAtMs)).toMatchObject({ phase: "due", attempt: true, alarm: false });
    expect(renewalState(plan, plan.attemptAtMs).autonomyMs).toBeGreaterThanOrEqual(8 * HOUR_MS);
  });
});

describe("pitfall 34: backoff after a failure", () => {
  const runOut = (plan: Renewal, from: number): number[] => {
    const attempts: number[] = [];
    let now = from;
    for (let at = plan; now <= plan.notAfterMs; now = at.attemptAtMs) {
      attempts.push(now);
      at = renewalFailed(at, now, half);
    }
    return attempts;
  };

  test("waits double to ten minutes, and grow shorter again when the end comes near", () => {
    const plan = planRenewal(START, END, half);
    const attempts = runOut(plan, plan.attemptAtMs);
    const waits = attempts.slice(1).map((at, i) => at - attempts[i]!);
    expect(waits.slice(0, 4)).toEqual([750, 1500, 3000, 6000]);
    expect(Math.max(...waits)).toBe(7.5 * MINUTE_MS);
    expect(waits.at(-1)).toBeLessThanOrEqual(SECOND_MS);
    // A day without servers costs them little.
    expect(attempts.length).toBeLessThan(300);
  });

  test("the wait is positive and bounded whatever the clock says", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: -1e9, max: 1e9 }), (failures, shift) => {
      const plan = { ...planRenewal(START, END, half), failures };
      const wait = renewalFailed(plan, END + shift, half).attemptAtMs - (END + shift);
      expect(wait).toBeGreaterThanOrEqual(SECOND_MS / 2);
      expect(wait).toBeLessThanOrEqual(10 * MINUTE_MS);
    }));
  });

  test("hosts that failed together do not come back together", () => {
    const plan = { ...planRenewal(START, END, half), failures: 8 };
    const random = seededRandom(1);
    const times = Array.from({ length: 100 }, () => renewalFailed(plan, START, random).attemptAtMs - START);
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(0.4 * Math.max(...times));
  });
});

describe("pitfall 37: alarm well before the end, and clocks that jump", () => {
  test("the alarm comes at half of what was left when renewal was due", () => {
    const plan = planRenewal(START, END, () => 0);
    expect(plan.alarmAtMs).toBe(START + 18 * HOUR_MS);
    const failed = renewalFailed(plan, plan.attemptAtMs, half);
    expect(failed.alarmAtMs).toBe(plan.alarmAtMs);
    expect(renewalState(failed, plan.alarmAtMs - 1)).toMatchObject({ phase: "due", alarm: false });
    expect(renewalState(failed, plan.alarmAtMs)).toMatchObject({ phase: "due", alarm: true, autonomyMs: 6 * HOUR_MS });
  });

  test("past the end it is expired, alarms, and still tries", () => {
    const plan = planRenewal(START, END, half);
    expect(renewalState(plan, END)).toMatchObject({ phase: "due", autonomyMs: 0 });
    expect(renewalState(plan, END + 1)).toEqual({ phase: "expired", attempt: true, alarm: true, autonomyMs: 0 });
    const failed = renewalFailed(plan, END + 1, half);
    expect(renewalState(failed, END + 2).attempt).toBe(false);
    expect(renewalState(failed, failed.attemptAtMs).attempt).toBe(true);
  });

  test("a clock that jumps forward makes it due at once", () => {
    const plan = planRenewal(START, END, half);
    expect(renewalState(plan, START + HOUR_MS).attempt).toBe(false);
    expect(renewalState(plan, START + 20 * HOUR_MS)).toMatchObject({ phase: "due", attempt: true, alarm: true });
  });

  test("a clock that jumps back behind a planned retry retries at once", () => {
    const plan = planRenewal(START, END, half);
    const failed = renewalFailed(plan, START + 20 * HOUR_MS, half);
    expect(renewalState(failed, START + 20 * HOUR_MS + 1).attempt).toBe(false);
    expect(renewalState(failed, START + 13 * HOUR_MS)).toMatchObject({ phase: "due", attempt: true });
  });

  test("a clock behind notBefore alarms and asks for nothing", () => {
    const plan = planRenewal(START, END, half);
    expect(renewalState(plan, START - 1)).toMatchObject({ phase: "not_yet_valid", attempt: false, alarm: true });
  });
});
