import { describe, expect, test } from "vitest";
import { MeshError } from "../base/errors.ts";
import { createCatalog } from "./catalog.ts";
import type { Catalog } from "./catalog.ts";
import { catalogWith, check, instance, run, sync } from "./fixture.ts";
import { decodeText, encodeText } from "./text.ts";

function example(): Catalog {
  const catalog = catalogWith("a");
  const meta = { who: "Zoë 💡" };
  run(catalog, sync("a", { instances: [instance("w", "web", { meta })], checks: [check("c", "w")] }));
  return catalog;
}

const edit = (change: (text: string) => string): Uint8Array => encodeText(change(decodeText(example().snapshot())!));

describe("snapshot", () => {
  test("parts taken later are of the moment of the call, and give the same bytes", () => {
    const catalog = example();
    for (let i = 0; i < 40; i++) {
      const checks = [check(`big-${i}`, "", { output: `${i}`.repeat(10_000) })];
      run(catalog, sync("a", { checks }));
    }
    const whole = catalog.snapshot();
    const parts: Uint8Array[] = [];
    for (const part of catalog.snapshotParts()) {
      parts.push(part);
      run(catalog, sync("a", { deleteInstances: ["w"] }));
    }
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.map((part) => decodeText(part)).join("")).toBe(decodeText(whole));
    expect(decodeText(catalog.snapshot())).not.toBe(decodeText(whole));
  });

  test("is JSON lines with a header and an end", () => {
    const lines = decodeText(example().snapshot())!.trimEnd().split("\n").map((line) => JSON.parse(line) as unknown);
    expect(lines[0]).toMatchObject({ format: "mesh-catalog", version: 1, index: 3, hash: example().stateHash() });
    expect(lines.at(-1)).toEqual({ rows: lines.length - 2 });
    expect(lines).toContainEqual(["nodes", "a", expect.objectContaining({ name: "a", allow: ["*"] })]);
  });

  test("pitfall 13: rows stand in the order of their keys, requests in the order of their age", () => {
    const catalog = catalogWith("b", "a");
    for (const requestId of ["r2", "r1"]) run(catalog, sync("a"), { requestId });
    const rows = decodeText(catalog.snapshot())!.trimEnd().split("\n").slice(1, -1)
      .map((line) => JSON.parse(line) as [string, string]);
    const keysOf = (table: string): string[] => rows.filter(([name]) => name === table).map(([, key]) => key);
    expect([keysOf("nodes"), keysOf("requests")]).toEqual([["a", "b"], ["r2", "r1"]]);
  });

  test("unknown fields of a row pass, into the state and out again", () => {
    const catalog = example();
    run(catalog, sync("a", { instances: [{ ...instance("x", "web"), fromTheFuture: { a: [1] } } as never] }));
    const other = createCatalog();
    other.restore(catalog.snapshot());
    expect(other.instance("a", "x")).toMatchObject({ fromTheFuture: { a: [1] } });
    expect(other.stateHash()).toBe(catalog.stateHash());
  });

  test.each([
    ["a changed value", (t: string) => t.replace("Zoë", "Zoe"), "its hash is"],
    ["a lost line", (t: string) => t.replace(/\["nodes".*\n/, ""), "it has"],
    ["a cut end", (t: string) => t.slice(0, -3), "its last line is cut"],
    ["a missing end", (t: string) => t.replace(/\{"rows".*\n/, ""), "it has no end"],
    ["something after the end", (t: string) => `${t}{}\n`, "there is more after its end"],
    ["a broken line", (t: string) => t.replace('["nodes"', '["nodes'), "is not JSON"],
    ["an unknown table", (t: string) => t.replace('["nodes"', '["knots"'), "is no row"],
    ["another file", () => "hello\n", "line 1 is not JSON"],
    ["another format", () => '{"format":"x"}\n', "it has no header"],
    ["nothing", () => "", "it has no end"],
  ])("pitfall 20: %s is refused, and nothing is changed", (_title, change, message) => {
    const catalog = example();
    const before = catalog.snapshot();
    expect(() => catalog.restore(edit(change))).toThrow(message);
    expect(catalog.snapshot()).toEqual(before);
  });

  test("a newer format is refused with what to do", () => {
    const newer = edit((text) => text.replace('"version":1', '"version":2'));
    expect(() => createCatalog().restore(newer)).toThrow(MeshError);
  });

  test("bytes that are no UTF-8 are refused", () => {
    const bytes = example().snapshot();
    bytes[bytes.indexOf(0xf0)] = 0xff;
    expect(() => createCatalog().restore(bytes)).toThrow("is not JSON");
  });

  test("pitfall 14: after a restore, who missed something before it gets everything, who did not a delta", () => {
    const catalog = example();
    const seen = catalog.appliedIndex;
    run(catalog, sync("a", { checks: [check("c", "w", { status: "critical" })] }));
    catalog.restore(catalog.snapshot());
    expect(catalog.changesSince("service/default/web", seen)).toBeUndefined();
    const empty = { upserts: new Map(), deletes: [] };
    expect(catalog.changesSince("service/default/web", catalog.appliedIndex)).toEqual(empty);
    expect(catalog.changesSince("service/default/web", catalog.appliedIndex + 1)).toBeUndefined();
    run(catalog, sync("a", { deleteInstances: ["w"] }));
    const gone = { upserts: new Map(), deletes: ["a/w"] };
    expect(catalog.changesSince("service/default/web", catalog.appliedIndex - 1)).toEqual(gone);
  });

  test("a restored catalog goes on alike, and tells its watchers that anything may have changed", () => {
    const one = example();
    const other = createCatalog();
    const heard: ReadonlySet<string>[] = [];
    other.onChange((_index, topics) => heard.push(topics));
    other.restore(one.snapshot());
    expect(heard[0]!.has("service/default/web")).toBe(true);
    expect(heard[0]!.has("roots")).toBe(true);
    expect([...heard[0]!]).toContain("service/default/web");
    for (const catalog of [one, other]) run(catalog, sync("a", { checks: [check("c", "w", { status: "critical" })] }));
    expect(other.stateHash()).toBe(one.stateHash());
    expect(other.endpoints("default", "web")[0]!.status).toBe("critical");
  });
});

describe("text", () => {
  const texts = ["", "plain", "Zoë", "日本語", "💡", "a\u0000b", `${"x".repeat(10_000)}é`];
  test.each(texts)("%j goes there and back", (text) => {
    expect(decodeText(encodeText(text))).toBe(text);
    expect(encodeText(text)).toEqual(new Uint8Array(new TextEncoder().encode(text)));
  });

  test("a lone surrogate becomes U+FFFD", () => {
    for (const text of ["a\ud800", "\udc00b", "\ud800\ud800\udc00"]) {
      expect(encodeText(text)).toEqual(new Uint8Array(new TextEncoder().encode(text)));
    }
  });
});
