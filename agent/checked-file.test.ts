import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readCache, readChecked, writeChecked } from "./checked-file.ts";

let path: string;
beforeEach(() => { path = join(mkdtempSync(join(tmpdir(), "mesh-checked-")), "state.json"); });
afterEach(() => rmSync(join(path, ".."), { recursive: true }));

test("what was written comes back, mode 0600; nothing there is undefined", () => {
  expect(readChecked(path)).toBeUndefined();
  writeChecked(path, { a: ["ü"] });
  expect(readChecked(path)).toEqual({ a: ["ü"] });
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("pitfall 20: any flipped byte, any cut and any addition is found, never served", () => {
  writeChecked(path, { services: [1, 2, 3] });
  const good = readFileSync(path);
  for (let i = 0; i < good.length; i++) {
    const bad = Buffer.from(good);
    bad[i]! ^= 1;
    writeFileSync(path, bad);
    expect(() => readChecked(path), `byte ${i}`).toThrow(/is damaged: its checksum/);
  }
  const cuts = [good.subarray(0, good.length - 1), good.subarray(0, 20), Buffer.alloc(0)];
  for (const bad of [...cuts, Buffer.concat([good, good])]) {
    writeFileSync(path, bad);
    expect(() => readChecked(path)).toThrow(expect.objectContaining({ code: "STORAGE_CORRUPT" }));
  }
});

test("a damaged cache is put aside with a warning, and filled again", () => {
  writeFileSync(path, "rubbish");
  const warnings: string[] = [];
  expect(readCache(path, (message) => warnings.push(message))).toBeUndefined();
  expect([warnings[0], existsSync(`${path}.damaged`), existsSync(path)])
    .toEqual([expect.stringContaining("put aside"), true, false]);
});
