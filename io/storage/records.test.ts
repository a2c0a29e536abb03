import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Entry } from "../../core/raft/messages.ts";
import { decodeEntry, decodeMeta, encodeEntry, encodeMeta, entryIndexOf, entryKey } from "./records.ts";

const entries: fc.Arbitrary<Entry> = fc.record({
  index: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  term: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  type: fc.constantFrom("noop", "command"),
  data: fc.uint8Array({ maxLength: 64 }),
});
const crcs = fc.integer({ min: 0, max: 0xffffffff });

test("an entry comes back as it was, with its place in the chain", () => {
  fc.assert(
    fc.property(entries, crcs, (entry, previous) => {
      const { key, value, crc } = encodeEntry(entry, previous);
      expect(decodeEntry(key, value)).toEqual({ entry, crc, previous });
    }),
  );
});

test("pitfall 17: any changed bit of key or value, any cut, is noticed", () => {
  fc.assert(
    fc.property(entries, crcs, fc.nat(), fc.nat(7), (entry, previous, where, bit) => {
      const { key, value } = encodeEntry(entry, previous);
      const record = Buffer.concat([key, value]);
      record[where % record.length]! ^= 1 << bit;
      expect(decodeEntry(record.subarray(0, key.length), record.subarray(key.length))).toBeTypeOf("string");
      expect(decodeEntry(key, value.subarray(0, where % value.length))).toBeTypeOf("string");
    }),
  );
});

test("keys sort by index", () => {
  fc.assert(
    fc.property(entries, entries, (a, b) => {
      expect(entryIndexOf(entryKey(a.index))).toBe(a.index);
      expect(Math.sign(entryKey(a.index).compare(entryKey(b.index)))).toBe(Math.sign(a.index - b.index));
    }),
  );
});

test("a small record proves its name and its text", () => {
  const value = encodeMeta("hard-state", { term: 3, vote: "a", commit: 2 });
  expect(decodeMeta("hard-state", value)).toEqual({ term: 3, vote: "a", commit: 2 });
  expect(decodeMeta("base", value)).toBeUndefined();
  expect(decodeMeta("hard-state", value.subarray(0, 3))).toBeUndefined();
  value[9]! ^= 1;
  expect(decodeMeta("hard-state", value)).toBeUndefined();
});
