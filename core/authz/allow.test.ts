import { describe, expect, test } from "vitest";
import { allows, parseAllow } from "./allow.ts";

describe("what a host may be", () => {
  test.each([
    [[], false], [["*"], true], [["default/*"], true], [["default/web"], true], [["default/we"], false],
    [["shop/*", "shop/web"], false], [["default/api", "default/web"], true],
  ] as const)("%j covers default/web: %s", (patterns, expected) => {
    expect(allows(patterns, { namespace: "default", name: "web" })).toBe(expected);
  });

  test.each([
    ["web", "default/web"], ["shop/web", "shop/web"], ["shop/*", "shop/*"], ["*", "*"], ["*/*", "*"],
  ])("%s is stored as %s", (text, stored) => expect(parseAllow(text)).toBe(stored));

  test.each(["", "*/web", "a/b/c", "Web", "shop/", "shop/we*"])("%j is refused", (text) => {
    expect(() => parseAllow(text)).toThrow("does not say what a host may be");
  });
});
