import * as fc from "fast-check";
import { expect, test } from "vitest";
import { formatTime, parseTime } from "./time.ts";

test("agrees with Date from 1950 to 9999", () => {
  const range = { min: Date.UTC(1950, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 };
  fc.assert(fc.property(fc.integer(range), (seconds) => {
    const text = formatTime(seconds * 1000);
    const digits = new Date(seconds * 1000).toISOString().replace(/[-T:]|\.000/g, "");
    expect(text).toBe(text.length === 13 ? digits.slice(2) : digits);
    expect(parseTime(text)).toBe(seconds * 1000);
  }));
});

test("RFC 5280 4.1.2.5: two-digit years up to 2049, four digits from 2050", () => {
  expect(formatTime(Date.UTC(2049, 11, 31, 23, 59, 59, 999))).toBe("491231235959Z");
  expect(formatTime(Date.UTC(2050, 0, 1))).toBe("20500101000000Z");
  expect(parseTime("500101000000Z")).toBe(Date.UTC(1950, 0, 1));
});

test.each([
  "", "261123", "2611230510Z", "261123051000", "261123051000+0000", "20261123051000.5Z", "261323051000Z",
  "260229051000Z", "260431051000Z", "260001000000Z", "260100000000Z", "261123240000Z", "261123236000Z",
  "261123235960Z", " 61123051000Z", "2026112305100Z",
])("refuses %j", (text) => {
  expect(parseTime(text)).toBeUndefined();
});

test("leap days", () => {
  expect(parseTime("240229000000Z")).toBe(Date.UTC(2024, 1, 29));
  expect(parseTime("20000229000000Z")).toBe(Date.UTC(2000, 1, 29));
  expect(parseTime("21000229000000Z")).toBeUndefined();
});
