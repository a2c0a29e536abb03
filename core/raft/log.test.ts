import { expect, test } from "vitest";
import { RaftLog } from "./log.ts";
import type { Entry } from "./messages.ts";

/** Entries from `first` on with these terms. */
function entries(first: number, ...terms: number[]): Entry[] {
  return terms.map((term, i) => ({ index: first + i, term, type: "command", data: Uint8Array.of(term) }));
}

function log(...terms: number[]): RaftLog {
  return new RaftLog({ base: { index: 0, term: 0 }, entries: entries(1, ...terms), snapshot: undefined, commit: 0 });
}

function terms(of: RaftLog): number[] {
  return of.slice(of.base.index + 1, of.lastIndex, Infinity).map((entry) => entry.term);
}

test("thesis 3.6.1: later last term wins, then the longer log", () => {
  const l = log(1, 1, 3);
  expect(l.isUpToDate(1, 4)).toBe(true);
  expect(l.isUpToDate(9, 2)).toBe(false);
  expect(l.isUpToDate(3, 3)).toBe(true);
  expect(l.isUpToDate(2, 3)).toBe(false);
});

test("thesis 3.5: an append whose predecessor is missing or of another term is refused", () => {
  const l = log(1, 1);
  expect(l.tryAppend(3, 1, entries(4, 2))).toBeUndefined();
  expect(l.tryAppend(2, 2, entries(3, 2))).toBeUndefined();
  expect(terms(l)).toEqual([1, 1]);
});

test("pitfall 9: repeated, late and overlapping appends change nothing that matches", () => {
  const l = log(1, 1);
  expect(l.tryAppend(2, 1, entries(3, 2, 2, 2))).toBe(5);
  // The older, shorter message arrives last: what follows it must stay.
  expect(l.tryAppend(2, 1, entries(3, 2))).toBe(3);
  expect(l.tryAppend(0, 0, entries(1, 1, 1, 2))).toBe(3);
  expect(l.tryAppend(4, 2, [])).toBe(4);
  expect(terms(l)).toEqual([1, 1, 2, 2, 2]);
});

test("pitfall 9: cuts only where terms differ, and never at or below the commit", () => {
  const l = log(1, 1, 2, 2);
  expect(l.tryAppend(1, 1, entries(2, 1, 3))).toBe(3);
  expect(terms(l)).toEqual([1, 1, 3]);
  l.commitTo(3);
  expect(() => l.tryAppend(1, 1, entries(2, 4))).toThrow(/conflicts with a committed/);
});

test("pitfall 9 (ABA): a write that was overtaken does not make its replacement stable", () => {
  const l = log();
  l.append(entries(1, 1, 1));
  const inFlight = l.unstable().at(-1)!;
  expect(l.tryAppend(0, 0, entries(1, 2, 2))).toBe(2);
  l.stableTo(inFlight.index, inFlight.term);
  expect(l.stable).toBe(0);
  expect(l.unstable().map((e) => e.term)).toEqual([2, 2]);
});

test("pitfall 1: only what is committed and on the own disk is handed out", () => {
  const l = log(1);
  l.append(entries(2, 1, 1));
  l.commitTo(3);
  expect(l.applicable(Infinity).map((e) => e.index)).toEqual([1]);
  l.stableTo(2, 1);
  expect(l.applicable(Infinity).map((e) => e.index)).toEqual([1, 2]);
  l.appliedTo(2);
  expect(l.applicable(Infinity)).toEqual([]);
  expect(() => l.appliedTo(3)).toThrow(/before it was safe/);
});

test("pitfall 11: slices keep to their bytes, but one entry always fits", () => {
  const l = log(1, 1, 1);
  expect(l.slice(1, 3, 1).length).toBe(1);
  expect(l.slice(1, 3, 34).length).toBe(2);
  expect(l.slice(2, 3, 1_000).map((e) => e.index)).toEqual([2, 3]);
  expect(l.slice(4, 9, 1_000)).toEqual([]);
});

test("thesis 3.5, fast back-up: the last place where two logs may agree", () => {
  const l = log(1, 1, 1, 4, 4, 5);
  expect(l.lastPossibleMatch(6, 3)).toEqual({ index: 3, term: 1 });
  expect(l.lastPossibleMatch(9, 5)).toEqual({ index: 6, term: 5 });
  expect(l.lastPossibleMatch(6, 0)).toEqual({ index: 0, term: 0 });
});

test("thesis 5.1: compaction keeps the base's term and a tail; older snapshots are ignored", () => {
  const l = log(1, 1, 2, 2, 3);
  l.commitTo(5);
  l.appliedTo(4);
  const membership = { voters: ["a"] };
  l.compact({ index: 4, term: 2, membership }, 3);
  expect(l.base).toEqual({ index: 3, term: 2 });
  expect([l.termAt(2), l.termAt(3), l.termAt(5)]).toEqual([undefined, 2, 3]);
  l.compact({ index: 2, term: 1, membership }, 2);
  expect(l.snapshot?.index).toBe(4);
  expect(() => l.compact({ index: 5, term: 3, membership }, 5)).toThrow(/only what was applied/);
  expect(l.lastPossibleMatch(2, 9)).toEqual({ index: 2, term: 0 });
});

test("thesis 5.3: an installed snapshot replaces the log and is handed out before what follows", () => {
  const l = log(1, 1);
  const snapshot = { index: 9, term: 3, membership: { voters: ["a"] } };
  l.restore(snapshot);
  expect(l.tryAppend(9, 3, entries(10, 3))).toBe(10);
  l.commitTo(10);
  l.stableTo(10, 3);
  expect(l.hasApplicable).toBe(false);
  l.restored(snapshot);
  expect(l.applicable(Infinity).map((e) => e.index)).toEqual([10]);
  expect(() => l.restore({ ...snapshot, index: 10 })).toThrow(/take back/);
});

test("a commit beyond the log's end means that the log was lost: it stops the node", () => {
  expect(() => log(1).commitTo(2)).toThrow(/was the log lost/);
});
