import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Intention } from "../model/intention.ts";
import { decide, intentionsForDestination } from "./decide.ts";
import { compareIntentions, covers, precedence, sortIntentions } from "./precedence.ts";

const name = (text: string): { namespace: string; name: string } => {
  const [namespace, service] = text.split("/") as [string, string];
  return { namespace, name: service };
};

const make = (source: string, destination: string, action: "allow" | "deny" = "allow"): Intention => {
  const pair = { source: name(source), destination: name(destination) };
  return {
    id: `${source}>${destination}`, ...pair, action, description: "", meta: {}, precedence: precedence(pair),
    createdAtMs: 0, updatedAtMs: 0,
  };
};

/** Consul's table, "Intention precedence and match order": destination namespace and name, then the source's. */
const TABLE: readonly (readonly [source: string, destination: string, precedence: number])[] = [
  ["ns/web", "ns/api", 9], ["ns/*", "ns/api", 8], ["*/*", "ns/api", 7],
  ["ns/web", "ns/*", 6], ["ns/*", "ns/*", 5], ["*/*", "ns/*", 4],
  ["ns/web", "*/*", 3], ["ns/*", "*/*", 2], ["*/*", "*/*", 1],
];

describe("precedence", () => {
  test.each(TABLE)("%s to %s is %d", (source, destination, expected) => {
    expect(precedence(make(source, destination))).toBe(expected);
  });

  test("order of evaluation: precedence down, ties by source namespace, source, then destination", () => {
    const wanted = [
      make("a/a", "a/a"), make("a/a", "a/b"), make("a/a", "b/a"), make("a/b", "a/a"), make("b/a", "a/a"),
      make("a/*", "a/a"), make("*/*", "a/a"), make("a/a", "a/*"), make("*/*", "*/*"),
    ];
    expect(sortIntentions(wanted.toReversed()).map((i) => i.id)).toEqual(wanted.map((i) => i.id));
    expect(compareIntentions(wanted[0]!, wanted[0]!)).toBe(0);
  });
});

describe("decide", () => {
  const web = name("default/web");
  const api = name("default/api");

  test("nothing said means no, and says so", () => {
    expect(decide([], web, api)).toEqual({
      allowed: false, reason: "no intention covers default/web → default/api: denied by default",
    });
  });

  test.each([
    ["an exact deny beats a wildcard allow", [make("default/web", "default/api", "deny"), make("*/*", "*/*")], false],
    ["an exact allow beats a wildcard deny", [make("default/web", "default/api"), make("*/*", "*/*", "deny")], true],
    ["an exact destination beats an exact source",
      [make("default/web", "default/*", "deny"), make("default/*", "default/api")], true],
    ["another source's intention does not count", [make("default/other", "default/api")], false],
    ["a namespace's wildcard does not reach another", [make("shop/*", "*/*")], false],
  ] as const)("%s", (_title, intentions, allowed) => {
    expect(decide(sortIntentions(intentions), web, api).allowed).toBe(allowed);
  });

  test("it says which intention decided", () => {
    const decision = decide(sortIntentions([make("*/*", "default/api", "deny"), make("*/*", "*/*")]), web, api);
    expect(decision.intention?.id).toBe("*/*>default/api");
    expect(decision.reason).toBe("intention deny */* → default/api, precedence 7");
  });
});

test("random intentions: sorting and taking the first equals a look through all of them by Consul's table", () => {
  const exact = fc.constantFrom("a/x", "a/y", "b/x");
  const any = fc.oneof(exact, fc.constantFrom("a/*", "b/*", "*/*"));
  const list = fc.uniqueArray(
    fc.tuple(any, any, fc.constantFrom("allow" as const, "deny")).map(([s, d, action]) => make(s, d, action)),
    { selector: (i) => i.id, maxLength: 12 },
  );
  const shape = (text: string): string => text.replaceAll(/[abxy]+/g, "E");
  const numberOf = (i: Intention): number => TABLE.find(([s, d]) =>
    shape(s.replaceAll(/ns|web/g, "E")) === shape(`${i.source.namespace}/${i.source.name}`)
    && shape(d.replaceAll(/ns|api/g, "E")) === shape(`${i.destination.namespace}/${i.destination.name}`))![2];
  const fits = (pattern: string, text: string): boolean =>
    [text, `${text.split("/")[0]}/*`, "*/*"].includes(pattern);
  fc.assert(fc.property(list, exact, exact, (intentions, source, destination) => {
    let best: Intention | undefined;
    for (const i of intentions) {
      const [s, d] = i.id.split(">") as [string, string];
      if (fits(s, source) && fits(d, destination) && (!best || numberOf(i) > numberOf(best))) best = i;
    }
    const decision = decide(sortIntentions(intentions), name(source), name(destination));
    expect(decision.intention).toBe(best);
    expect(decision.allowed).toBe(best?.action === "allow");
    const compiled = intentionsForDestination(intentions, name(destination));
    expect(decide(compiled, name(source), name(destination)).intention).toBe(best);
    expect(compiled.every((i) => covers(i.destination, name(destination)))).toBe(true);
  }), { numRuns: 300 });
});
