import { expect, test } from "vitest";
import type { CheckStatus } from "../model/catalog.ts";
import type { CheckDefinition } from "../model/service.ts";
import { CheckMachine, FLAP_CHANGES, FLAP_GOOD, OUTPUT_REPORT_MS, worstOf } from "./check.ts";
import { OUTPUT_BYTES_MAX, boundOutput } from "./output.ts";

const HTTP: CheckDefinition = {
  id: "c", name: "c", notes: "", intervalMs: 1_000, timeoutMs: 500, initialStatus: "critical",
  probe: { type: "http", url: "http://127.0.0.1/", method: "GET", body: "", headers: {}, tlsSkipVerify: false },
  successBeforePassing: 0, failuresBeforeWarning: 0, failuresBeforeCritical: 0, deregisterCriticalAfterMs: 0,
};
const TTL: CheckDefinition = { ...HTTP, probe: { type: "ttl", ttlMs: 10_000 } };

const start = (definition: CheckDefinition, restored?: { status: CheckStatus; output: string }): CheckMachine =>
  new CheckMachine(definition, { nowMs: 0, random: () => 0.5, ...(restored === undefined ? {} : { restored }) });

const P = "passing", W = "warning", C = "critical";
type Row = [title: string, change: Partial<CheckDefinition>, results: CheckStatus[], statuses: CheckStatus[]];

test.each<Row>([
  ["without thresholds each result counts", {}, [P, C, W, P], [P, C, W, P]],
  ["successes in a row before passing", { successBeforePassing: 3 }, [P, P, P, C, P], [C, C, P, C, C]],
  ["a warning result counts as a success", { successBeforePassing: 2 }, [W, W], [C, W]],
  ["a failure starts the count anew", { successBeforePassing: 2 }, [P, C, P, P], [C, C, C, P]],
  ["failures in a row before critical", { initialStatus: P, failuresBeforeCritical: 3, failuresBeforeWarning: 3 },
    [C, C, C, P], [P, P, C, P]],
  ["fewer failures before warning", { initialStatus: P, failuresBeforeCritical: 3, failuresBeforeWarning: 2 },
    [C, C, C], [P, W, C]],
])("%s", (_title, change, results, statuses) => {
  const check = start({ ...HTTP, ...change });
  expect(results.map((result, i) => {
    check.result(result, "", i * 10_000);
    return check.status;
  })).toEqual(statuses);
});

test("a new check runs at once, then each interval give or take 5 %, and never beside itself", () => {
  const check = start(HTTP);
  expect(check.dueMs()).toBe(0);
  expect(check.tick(0).run).toBe(true);
  expect(check.dueMs()).toBe(Infinity);
  expect(check.tick(5_000).run).toBe(false);
  check.result(P, "", 5_000);
  expect(check.tick(5_000).run).toBe(true);
  const late = new CheckMachine(HTTP, { nowMs: 0, random: () => 1 });
  late.tick(0);
  late.result(P, "", 1);
  expect(late.dueMs()).toBe(1_050);
});

test("a TTL check is critical once nobody reported for its time, and well again with the next report", () => {
  const check = start(TTL);
  expect(check.report(P, "fine", 1_000)).toMatchObject({ report: true });
  expect(check.dueMs()).toBe(11_000);
  expect(check.tick(10_999)).toMatchObject({ report: false });
  expect(check.tick(11_000)).toEqual({ run: false, report: true, deregister: false });
  expect([check.status, check.output]).toEqual([C, "TTL expired; last output: fine"]);
  expect(check.dueMs()).toBe(Infinity);
  check.report(W, "", 20_000);
  expect(check.status).toBe(W);
});

test("after a restart the status before it holds, and a TTL has its whole time again", () => {
  const check = start(TTL, { status: P, output: "was fine" });
  expect([check.status, check.reported.output, check.dueMs()]).toEqual([P, "was fine", 10_000]);
});

test("a service is deregistered when its check was critical for the given time without a break", () => {
  const check = start({ ...HTTP, deregisterCriticalAfterMs: 60_000 });
  check.tick(0);
  check.result(P, "", 30_000);
  expect(check.tick(70_000).deregister).toBe(false);
  check.result(C, "", 71_000);
  check.tick(100_000);
  expect(check.tick(130_999).deregister).toBe(false);
  expect(check.tick(131_000).deregister).toBe(true);
});

test("a flapping check gets worse at once but better only after good results in a row", () => {
  const check = start(HTTP);
  const take = (status: CheckStatus, at: number): CheckStatus => {
    check.result(status, "", at);
    return check.status;
  };
  for (let i = 0; i < FLAP_CHANGES; i++) take(i % 2 === 0 ? P : C, i * 1_000);
  expect([check.flapping(6_000), check.status]).toEqual([true, C]);
  expect(Array.from({ length: FLAP_GOOD }, (_, i) => take(P, 7_000 + i))).toEqual([C, C, P]);
  expect(take(C, 8_000)).toBe(C);
  expect(check.flapping(8_000 + 30_000)).toBe(false);
  expect(take(P, 40_000)).toBe(P);
});

test("an output that changes alone is reported once a minute, with a status change at once", () => {
  const check = start({ ...HTTP, initialStatus: P });
  expect(check.result(P, "1", 0).report).toBe(true);
  expect(check.result(P, "2", 1_000).report).toBe(false);
  expect([check.output, check.reported.output]).toEqual(["2", "1"]);
  check.tick(1_000);
  expect(check.dueMs()).toBe(OUTPUT_REPORT_MS);
  expect(check.tick(OUTPUT_REPORT_MS)).toMatchObject({ report: true });
  expect(check.reported.output).toBe("2");
  expect(check.result(C, "3", OUTPUT_REPORT_MS + 1).report).toBe(true);
  expect(check.reported).toEqual({ status: C, output: "3" });
});

test("output is cut at 4 KiB of UTF-8, at a whole character, without control characters", () => {
  const cut = boundOutput(`\u001b[31m\0${"é".repeat(5_000)}`);
  expect(cut.startsWith("[31mé")).toBe(true);
  expect(Buffer.byteLength(cut)).toBe(OUTPUT_BYTES_MAX);
  expect(boundOutput("a\nb\tc")).toBe("a\nb\tc");
});

test("the worst status wins, none is passing", () => {
  expect([worstOf([]), worstOf([P, W]), worstOf([W, C, P])]).toEqual([P, W, C]);
});
