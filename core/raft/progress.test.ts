import { expect, test } from "vitest";
import { raftConfig } from "./config.ts";
import { Progress } from "./progress.ts";

const config = raftConfig({ id: "a", maxInflightMessages: 2, maxMessageBytes: 100, maxInflightBytes: 300 });

test("probe: one append at a time until it is answered", () => {
  const p = new Progress(5, config);
  p.sent(0, 0);
  expect(p.paused).toBe(false);
  p.sent(2, 20);
  expect([p.paused, p.next]).toEqual([true, 5]);
  p.resume();
  expect(p.paused).toBe(false);
});

test("pitfall 11: replicate sends ahead, within messages and bytes in flight", () => {
  const p = new Progress(1, config);
  p.becomeReplicate();
  p.sent(2, 50);
  expect([p.next, p.paused]).toEqual([3, false]);
  p.sent(1, 50);
  expect([p.next, p.paused, p.inflightFull]).toEqual([4, true, true]);
  p.accepted(2);
  p.freeInflight(2);
  expect([p.inflightCount, p.inflightFull, p.paused]).toEqual([1, false, false]);
  p.sent(1, 260);
  expect([p.inflightCount, p.inflightFull]).toEqual([2, true]);
});

test("thesis 3.5: a refusal moves next back, to the hint, and never to what is matched", () => {
  const p = new Progress(10, config);
  p.accepted(3);
  expect(p.rejected(7, 2)).toBe(false);
  expect(p.rejected(9, 5)).toBe(true);
  expect(p.next).toBe(6);
  expect(p.rejected(5, 1)).toBe(true);
  expect(p.next).toBe(4);
});

test("replicate: a late refusal of what has matched meanwhile is ignored", () => {
  const p = new Progress(1, config);
  p.becomeReplicate();
  p.accepted(6);
  expect(p.rejected(6, 0)).toBe(false);
  expect(p.rejected(8, 0)).toBe(true);
  expect(p.next).toBe(7);
});

test("pitfall 10: a snapshot on its way holds everything; delivered or failed, it goes on from the right place", () => {
  const p = new Progress(3, config);
  p.accepted(1);
  p.becomeSnapshot(20);
  expect([p.paused, p.next]).toEqual([true, 21]);
  p.becomeProbe();
  expect([p.paused, p.next]).toEqual([false, 21]);
  p.becomeSnapshot(30);
  p.snapshotFailed();
  expect([p.state, p.next]).toEqual(["probe", 2]);
});
