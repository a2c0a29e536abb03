import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureDir, readFileIfExists, removeFile, writeFileAtomic } from "./files.ts";

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), "mesh-files-")); });
afterEach(() => rmSync(folder, { recursive: true }));

test("writes with mode 0600 whatever the umask, replaces whole, leaves no other name behind", () => {
  const path = join(folder, "state");
  const umask = process.umask(0o277);
  try {
    writeFileAtomic(path, "a long first content");
  } finally {
    process.umask(umask);
  }
  expect(statSync(path).mode & 0o777).toBe(0o600);
  writeFileAtomic(path, Uint8Array.of(1, 2), { mode: 0o640 });
  expect(readFileIfExists(path)).toEqual(Buffer.from([1, 2]));
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(readdirSync(folder)).toEqual(["state"]);
});

test("a failed replacement keeps the old content and removes its own leftovers", () => {
  ensureDir(join(folder, "taken/inner"), 0o755);
  expect(() => writeFileAtomic(join(folder, "taken"), "x")).toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
  expect(readdirSync(folder)).toEqual(["taken"]);
});

test("a missing file reads as undefined, a folder in its place is an error", () => {
  expect(readFileIfExists(join(folder, "none"))).toBeUndefined();
  expect(() => readFileIfExists(folder)).toThrow(/EISDIR/);
  removeFile(join(folder, "none"));
});

test("ensureDir refuses a file in the folder's place", () => {
  writeFileSync(join(folder, "file"), "");
  expect(() => ensureDir(join(folder, "file"))).toThrow();
  ensureDir(join(folder, "a/b"));
  expect(statSync(join(folder, "a/b")).mode & 0o777).toBe(0o700);
});
