import { describe, expect, test } from "vitest";
import { parseSource } from "./source.ts";

const many = (count: number, each: (i: number) => string, between = "\n"): string =>
  Array.from({ length: count }, (_, i) => each(i)).join(between);

describe("pitfall 54: a hostile text costs no more than its length", () => {
  const hostile: readonly (readonly [string, string, string | undefined])[] = [
    ["brackets that never close", "[".repeat(1_000_000), "is nested deeper than 64"],
    ["maps in maps", "{a: ".repeat(200_000), "is nested deeper than 64"],
    ["closed brackets", `${"[".repeat(500)}${"]".repeat(500)}`, "is nested deeper than 64"],
    ["lists on one line", "- ".repeat(500_000), "is nested deeper than 64"],
    ["keys on one line", "? ".repeat(500_000), "is nested deeper than 64"],
    ["many keys", many(10_000, (i) => `k${i}: 1`), undefined],
    ["many keys in JSON", `{${many(10_000, (i) => `"k${i}": 1`, ",")}}`, undefined],
    ["many aliases", `a: &a x\nb: [${many(10_000, () => "*a", ",")}]`, undefined],
    ["aliases that multiply", `a: &a [x]\n${many(7, (i) => `${"bcdefgh"[i]}: &${"bcdefgh"[i]} [${
      many(9, () => `*${"abcdefg"[i]}`, ",")}]`)}`, "is too large"],
    ["an alias of itself", "a: &a [*a]", "is nested deeper than 64"],
    ["a long text", "a".repeat(1_048_577), "is larger than 1048576 characters: apply it in parts"],
  ];
  test.each(hostile)("%s", (_name, text, message) => {
    const startMs = performance.now();
    expect(parseSource(text).problems[0]?.message).toBe(message);
    // What was quadratic took ten seconds and more.
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  test("of many mistakes the first hundred are told", () => {
    expect(parseSource("]".repeat(1_000)).problems.length).toBeLessThanOrEqual(100);
  });
});

test("an alias is the last node of that name before it; a key twice and an unknown anchor have their places", () => {
  const { documents } = parseSource("a: &x 1\nb: &y [*x]\nc: &x 2\nd: *y\ne: *x\n&k f: *k\n");
  const [map] = documents;
  const scalar = (value: unknown): object => expect.objectContaining({ kind: "scalar", value }) as object;
  const list = expect.objectContaining({ items: [scalar(1)] }) as object;
  expect(map?.kind === "map" && map.entries.map(({ value }) => value))
    .toEqual([scalar(1), list, scalar(2), list, scalar(2), scalar("f")]);
  expect(parseSource("a: 1\nb: {c: 1, d: 2, c: 3}\n").problems)
    .toEqual([{ place: { line: 2, column: 17 }, message: "Map keys must be unique" }]);
  expect(parseSource("a: *b\n").problems[0]).toMatchObject({ message: 'names the unknown anchor "b"' });
});
