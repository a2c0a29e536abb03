import { expect, test } from "vitest";
import { parseDuration } from "./duration.ts";

test.each([
  ["10s", 10_000], ["1m30s", 90_000], ["250ms", 250], ["1.5h", 5_400_000], ["0", 0], ["0s", 0], ["7d", 604_800_000],
  ["1us", 0.001], [".5s", 500],
])("%s is %d ms", (text, ms) => expect(parseDuration(text)).toBeCloseTo(ms, 9));

test.each(["", "10", "s", "-1s", "10 s", "1s ", "1x", "1e3s", "infinity"])("%j is no duration", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});
