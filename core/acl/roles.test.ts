import { describe, expect, test } from "vitest";
import { intention, instance, sync } from "../catalog/fixture.ts";
import type { Command } from "../catalog/commands.ts";
import { needOf } from "./need.ts";
import { authorize, describeNeed, parseRole } from "./roles.ts";
import type { Need } from "./roles.ts";

const MANAGE: Need = { kind: "management" };
const read = (namespace: string): Need => ({ kind: "read", namespace });
const write = (namespace: string): Need => ({ kind: "write", namespace });

describe("authorize", () => {
  test.each([
    ["management", MANAGE, true], ["management", write("shop"), true], ["management", read("*"), true],
    ["write:shop", write("shop"), true], ["write:shop", read("shop"), true], ["write:shop", write("default"), false],
    ["write:shop", MANAGE, false], ["write:*", write("shop"), true], ["write:*", MANAGE, false],
    ["read:shop", read("shop"), true], ["read:shop", write("shop"), false], ["read:shop", read("*"), false],
    ["read:*", read("*"), true], ["read:*", write("shop"), false], ["write:shop", write("*"), false],
    ["admin", read("shop"), false],
  ] as const)("%s for %j: %s", (role, need, expected) => {
    expect(authorize([role], need)).toBe(expected);
  });

  test("pitfall 52: no role, no right", () => {
    for (const need of [MANAGE, read("default"), write("default")]) expect(authorize([], need)).toBe(false);
  });

  test("roles add up", () => {
    expect(authorize(["read:a", "write:b"], write("b"))).toBe(true);
    expect(authorize(["read:a", "write:b"], write("a"))).toBe(false);
  });
});

test.each(["management", "write:shop", "read:*"])("role %s is one", (text) => expect(parseRole(text)).toBe(text));
test.each(["", "admin", "write", "write:", "write:Shop", "read:a:b", "management:x"])("role %j is refused", (text) => {
  expect(() => parseRole(text)).toThrow("is not a role");
});

describe("pitfall 53: what a command needs is said where it is applied", () => {
  const table: readonly (readonly [Command, readonly Need[]])[] = [
    [{ type: "intention.put", intention: intention("i", "default/web", "shop/cart") }, [write("shop")]],
    [{ type: "intention.put", intention: intention("i", "default/web", "*/*") }, [write("*")]],
    [{ type: "intention.delete", id: "i" }, [write("*")]],
    [{ type: "intention.delete", source: { namespace: "a", name: "x" }, destination: { namespace: "b", name: "y" } },
      [write("b")]],
    [{ type: "resource.put", resource: { kind: "K", namespace: "shop", name: "n", document: {} } }, [write("shop")]],
    [{ type: "resource.delete", resource: { kind: "K", namespace: "shop", name: "n" } }, [write("shop")]],
    [{ type: "resource.apply", resources: [{ kind: "K", namespace: "a", name: "n", document: {} }],
      intentions: [intention("i", "x/y", "b/z"), intention("j", "x/y", "a/z")] }, [write("a"), write("b")]],
    [{ type: "token.delete", accessor: "a" }, [MANAGE]],
    [{ type: "node.allow", name: "n", allow: ["*"] }, [MANAGE]],
    [{ type: "node.revoke", name: "n" }, [MANAGE]],
    [{ type: "ticket.delete", id: "t" }, [MANAGE]],
    [sync("n", { instances: [instance("i", "web")] }), [MANAGE]],
  ];
  test.each(table)("%j", (command, needs) => expect(needOf(command)).toEqual(needs));
});

test("a refusal can say what would have sufficed", () => {
  expect([MANAGE, read("*"), write("shop")].map(describeNeed)).toEqual([
    "role management", "role read:*", "role write:shop",
  ]);
});
