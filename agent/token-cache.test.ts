import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLogger } from "../io/logger.ts";
import { TokenCache } from "./token-cache.ts";

const HOUR_MS = 3_600_000;
const SECRET = "0b9e6a0e-0000-4000-8000-000000000000";
let folder: string;
let nowMs: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mesh-tokens-"));
  nowMs = 1_800_000_000_000;
});
afterEach(() => {
  opened?.flush();
  opened = undefined;
  rmSync(folder, { recursive: true });
});

const path = (): string => join(folder, "tokens.json");
let opened: TokenCache | undefined;

/** What the next start of the agent finds. */
function open(clusterId = "c1"): TokenCache {
  opened?.flush();
  opened = new TokenCache({
    path: path(), clusterId, log: createLogger({ name: "t", level: "silent" }), nowMs: () => nowMs,
  });
  return opened;
}
const decision = (more: object = {}) => ({ accessor: "a1", roles: ["read:default"], expMs: 0, atMs: nowMs, ...more });

test("pitfall 52: decisions outlive a restart, a day at most, and hold no token; the file is 0600", () => {
  open().put(SECRET, decision());
  nowMs += 1_000;
  const again = open();
  expect(again.get(SECRET)).toMatchObject({ decision: { accessor: "a1", roles: ["read:default"] }, ageMs: 1_000 });
  expect(again.get("another")).toBeUndefined();
  expect(readFileSync(path(), "utf8")).not.toContain(SECRET);
  expect(statSync(path()).mode & 0o777).toBe(0o600);
  nowMs += 24 * HOUR_MS;
  expect(again.get(SECRET)).toBeUndefined();
  expect(open().get(SECRET)).toBeUndefined();
});

test("a token's own end counts while nobody can be asked; a clock that was set back makes nothing young", () => {
  const cache = open();
  cache.put(SECRET, decision({ expMs: nowMs + 5_000 }));
  nowMs += 5_000;
  expect(cache.get(SECRET)).toBeUndefined();
  cache.put(SECRET, decision());
  nowMs -= HOUR_MS;
  expect(cache.get(SECRET)!.ageMs).toBe(HOUR_MS);
});

test("what the servers no longer know is gone from the disk too; another cluster's decisions are not used", () => {
  open().put(SECRET, decision());
  expect(open("c2").get(SECRET)).toBeUndefined();
  open().delete(SECRET);
  expect(open().get(SECRET)).toBeUndefined();
});

test("a token in steady use is written every ten minutes, a changed role at once", () => {
  const storedAfter = (laterMs: number, more: object = {}): unknown => {
    const cache = open();
    nowMs += laterMs;
    cache.put(SECRET, decision(more));
    return open().get(SECRET)!.decision;
  };
  const first = nowMs;
  expect(storedAfter(0)).toMatchObject({ atMs: first });
  expect(storedAfter(60_000)).toMatchObject({ atMs: first });
  expect(storedAfter(540_000)).toMatchObject({ atMs: first + 600_000 });
  expect(storedAfter(1, { roles: ["management"] })).toMatchObject({ roles: ["management"], atMs: nowMs });
});

test("pitfall 11: the oldest of a thousand makes room", () => {
  const cache = open();
  for (let i = 0; i <= 1_000; i++) cache.put(`token-${i}`, decision({ atMs: nowMs }));
  expect(cache.get("token-0")).toBeUndefined();
  expect(cache.get("token-1")).toBeDefined();
});
