import { describe, expect, test } from "vitest";
import { editDistance, nearest } from "./nearest.ts";

describe("nearest", () => {
  test("counts a swap of neighbours as one step", () => {
    expect(editDistance("sevrices", "services")).toBe(1);
    expect(editDistance("", "abc")).toBe(3);
    expect(editDistance("abc", "abc")).toBe(0);
  });

  test("names the closest word and stays silent when nothing is close", () => {
    const verbs = ["services", "server", "status", "agent"];
    expect(nearest("sevrices", verbs)).toBe("services");
    expect(nearest("Status", verbs)).toBe("status");
    expect(nearest("kubernetes", verbs)).toBeUndefined();
    expect(nearest("x", verbs)).toBeUndefined();
  });
});
