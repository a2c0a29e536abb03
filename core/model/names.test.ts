import { describe, expect, test } from "vitest";
import { MeshError } from "../base/errors.ts";
import { parseServiceName, RESERVED_NAMESPACES, serviceKey } from "./names.ts";

describe("service names", () => {
  test.each([
    ["web", "default/web"],
    ["shop/web", "shop/web"],
    ["a-1", "default/a-1"],
  ])("%s is %s", (text, key) => expect(serviceKey(parseServiceName(text))).toBe(key));

  test("the namespace asked for is the default of a bare name", () => {
    expect(serviceKey(parseServiceName("web", "shop"))).toBe("shop/web");
  });

  test.each(["", "Web", "-a", "a-", "a.b", "a/b/c", "a".repeat(64), "a/", "/b", "*"])("%j is refused", (text) => {
    expect(() => parseServiceName(text)).toThrow(MeshError);
  });

  test.each(RESERVED_NAMESPACES.map((n) => [n]))("%s cannot be a namespace", (namespace) => {
    expect(() => parseServiceName(`${namespace}/web`)).toThrow(/DNS names use the word/);
  });
});
