import * as fc from "fast-check";
import { expect, test } from "vitest";
import { History } from "./history.ts";

test("pitfall 11: within its bound it answers exactly; beyond it says that it does not know, never less", () => {
  const entries = fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom("x", "y", "z")), { maxLength: 60 });
  fc.assert(fc.property(entries, fc.integer({ min: 1, max: 20 }), (list, limit) => {
    const history = new History(limit);
    const last = new Map<string, number>();
    list.forEach(([topic, key], i) => {
      history.record(topic, key, { index: i + 1, before: last.get(topic) ?? 0 });
      last.set(topic, i + 1);
      for (const asked of ["a", "b", "c"]) {
        for (let index = 0; index < (last.get(asked) ?? 0); index++) {
          const after = list.slice(index, i + 1).filter(([t]) => t === asked).map(([, k]) => k);
          const known = history.keysSince(asked, index);
          if (known !== undefined) expect([...known].sort()).toEqual([...new Set(after)].sort());
          // All that happened since is still held: it must know.
          if (i + 1 - index <= limit) expect(known).toBeDefined();
        }
      }
    });
  }), { numRuns: 60 });
});

test("it forgets the oldest first, over all topics", () => {
  const history = new History(2);
  history.record("a", "x", { index: 1, before: 0 });
  history.record("b", "y", { index: 2, before: 0 });
  history.record("b", "z", { index: 3, before: 2 });
  expect(history.keysSince("a", 0)).toBeUndefined();
  expect(history.keysSince("b", 2)).toEqual(new Set(["z"]));
  expect(history.keysSince("never changed", 1)).toEqual(new Set());
  expect(history.keysSince("never changed", 0)).toBeUndefined();
  history.clear(3);
  expect(history.keysSince("b", 2)).toBeUndefined();
  expect(history.keysSince("b", 3)).toEqual(new Set());
});
