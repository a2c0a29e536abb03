import {
  cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { MeshError } from "../../core/base/errors.ts";
import type { Entry, HardState, SnapshotMeta } from "../../core/raft/messages.ts";
import { openDatabase } from "./database.ts";
import { HighWaterFile } from "./high-water.ts";
import { LogStore, type Save } from "./log-store.ts";
import { encodeEntry } from "./records.ts";

const root = mkdtempSync(join(tmpdir(), "mesh-log-store-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
const newDir = (): string => join(root, `node-${folders++}`);
const open = (dir: string): Promise<LogStore> => LogStore.open({ dir, nodeId: "a", bootstrap: true });

function entry(index: number, term: number, text = `command ${index}`): Entry {
  return { index, term, type: "command", data: new Uint8Array(Buffer.from(text.padEnd(100, "."))) };
}

function range(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, term));
}

function save(entries: readonly Entry[], hard: Partial<HardState> = {}, snapshot?: SnapshotMeta): Save {
  return { entries, hardState: { term: entries.at(-1)?.term ?? 1, vote: "a", commit: 0, ...hard }, snapshot };
}

const meta = (index: number, term: number): SnapshotMeta => ({ index, term, membership: { voters: ["a"] } });

/** A store with entries 1..count in batches of ten, closed. */
async function written(count: number): Promise<string> {
  const dir = newDir();
  const store = await open(dir);
  for (let from = 1; from <= count; from += 10) await store.save(save(range(from, Math.min(from + 9, count), 1)));
  await store.close();
  return dir;
}

/** CRC of the last of these entries, which begin the log. */
function encodeChain(entries: readonly Entry[]): number {
  return entries.reduce((crc, e) => encodeEntry(e, crc).crc, 0);
}

async function refusal(dir: string): Promise<MeshError> {
  const store = await open(dir).catch((error: unknown) => error);
  if (store instanceof MeshError) return store;
  if (store instanceof LogStore) await store.close();
  throw new Error(`expected a refusal, got ${String(store)}`);
}

async function expectCorrupt(dir: string, message: RegExp): Promise<void> {
  const error = await refusal(dir);
  expect(error.message).toMatch(message);
  expect(error.code).toBe("STORAGE_CORRUPT");
  expect(error.where).toContain(dir);
  expect(error.fix).toMatch(/backup|adopt-copy/);
}

describe("what was saved is there again", () => {
  test("entries, hard state and identity survive a restart", async () => {
    const dir = newDir();
    const store = await open(dir);
    expect(store.restored).toMatchObject({ entries: [], membership: { voters: ["a"] } });
    await store.save(save(range(1, 3, 2), { term: 3, vote: "b", commit: 1 }));
    await store.close();
    const again = await open(dir);
    expect(again.restored.hardState).toEqual({ term: 3, vote: "b", commit: 1 });
    expect(again.restored.entries).toEqual(range(1, 3, 2));
    await again.close();
  });

  test("entries that begin at or below the last one replace everything from there on (thesis 3.5)", async () => {
    const dir = newDir();
    const store = await open(dir);
    await store.save(save(range(1, 20, 1)));
    await store.save(save(range(8, 9, 2)));
    await store.close();
    const again = await open(dir);
    expect(again.restored.entries).toEqual([...range(1, 7, 1), ...range(8, 9, 2)]);
    await again.close();
  });

  test("a folder of another node is refused; a node that does not begin a cluster has no voters", async () => {
    const dir = await written(1);
    const error = await LogStore.open({ dir, nodeId: "b", bootstrap: true }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "INVALID_CONFIG", message: expect.stringContaining("belongs to the node a") });
    const waiting = await LogStore.open({ dir: newDir(), nodeId: "c", bootstrap: false });
    expect(waiting.restored.membership.voters).toEqual([]);
    await waiting.close();
  });

  test("two processes cannot share a log", async () => {
    const dir = newDir();
    const store = await open(dir);
    const error = await refusal(dir);
    expect(error).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("another process") });
    await store.close();
  });

  test("pitfall 22: files of the log are for its user alone", async () => {
    const dir = await written(1);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    for (const name of ["identity", "high-water"]) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
  });
});

describe("pitfall 17, 20: damage is refused, never served", () => {
  const ENTRIES = 60;
  /** Places per file; MESH_FLIPS=2000 tries about every fourth byte. */
  const FLIPS = Number(process.env.MESH_FLIPS ?? "20");
  const content = range(1, ENTRIES, 1);

  /** Opens a damaged folder: the whole truth or a refusal that stays. */
  async function outcome(dir: string): Promise<"served" | "refused"> {
    try {
      const store = await open(dir);
      expect(store.restored.entries).toEqual(content);
      expect(store.restored.hardState.vote).toBe("a");
      await store.close();
      return "served";
    } catch (error) {
      expect(error).toMatchObject({ code: "STORAGE_CORRUPT" });
      expect((await refusal(dir)).code).toBe("STORAGE_CORRUPT");
      return "refused";
    }
  }

  /** Flips a bit at every `stride` bytes of the file that ends in `suffix`, each time in a fresh copy. */
  async function flipAll(dir: string, suffix: string, flips: number): Promise<{ refused: number; served: number }> {
    const name = readdirSync(join(dir, "log")).filter((n) => n.endsWith(suffix)).sort().at(-1)!;
    const path = join(dir, "log", name);
    const pristine = newDir();
    cpSync(join(dir, "log"), pristine, { recursive: true });
    const mark = readFileSync(join(dir, "high-water"));
    const bytes = readFileSync(path);
    const counts = { refused: 0, served: 0 };
    for (let i = 0; i < flips; i++) {
      const at = Math.floor(((i + 0.5) * bytes.length) / flips);
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1 << (i % 8);
      writeFileSync(path, damaged);
      counts[await outcome(dir)]++;
      rmSync(join(dir, "log"), { recursive: true });
      cpSync(pristine, join(dir, "log"), { recursive: true });
      writeFileSync(join(dir, "high-water"), mark);
    }
    return counts;
  }

  test("a flipped bit anywhere in LevelDB's write-ahead log", async () => {
    const { refused, served } = await flipAll(await written(ENTRIES), ".log", FLIPS);
    expect(refused + served).toBe(FLIPS);
    expect(refused).toBe(FLIPS);
  });

  test("a flipped bit anywhere in a table file", async () => {
    const dir = await written(ENTRIES);
    // Opening moves the write-ahead log into a table.
    await (await open(dir)).close();
    const { refused, served } = await flipAll(dir, ".ldb", FLIPS);
    expect(refused + served).toBe(FLIPS);
    // Some bytes of a table are never looked at (padding, filter, statistics); all that carry records are.
    expect(refused).toBeGreaterThan(0.75 * FLIPS);
  });

  test("a table that a crash left unfinished and no manifest names is no damage", async () => {
    const dir = await written(10);
    await (await open(dir)).close();
    const table = readdirSync(join(dir, "log")).find((n) => n.endsWith(".ldb"))!;
    const half = readFileSync(join(dir, "log", table)).subarray(0, 100);
    writeFileSync(join(dir, "log", "000999.ldb"), half);
    await (await open(dir)).close();
    writeFileSync(join(dir, "log", table), half);
    await expectCorrupt(dir, /a block of a table file has a wrong checksum/);
  });

  test("a lost manifest or CURRENT file does not become an empty log", async () => {
    for (const name of ["CURRENT", "MANIFEST"]) {
      const dir = await written(10);
      const file = readdirSync(join(dir, "log")).find((n) => n.startsWith(name))!;
      rmSync(join(dir, "log", file));
      await expectCorrupt(dir, /cannot be opened/);
    }
  });

  test("a snapshot file with a flipped bit is refused and named", async () => {
    const dir = await written(20);
    const store = await open(dir);
    await store.snapshots.save(meta(15, 1), Buffer.from("the state of the world"));
    await store.compact(15);
    await store.close();
    const path = join(dir, "snapshots", readdirSync(join(dir, "snapshots"))[0]!);
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; at += 7) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x10;
      writeFileSync(path, damaged);
      await expectCorrupt(dir, /a snapshot file cannot be used/);
    }
    rmSync(path);
    await expectCorrupt(dir, /begins after entry 15, but no snapshot is there/);
  });

  test("a damaged or missing identity file is refused", async () => {
    const dir = await written(10);
    const text = readFileSync(join(dir, "identity"), "utf8");
    writeFileSync(join(dir, "identity"), text.replace('"a"', '"b"'));
    await expectCorrupt(dir, /identity/);
    rmSync(join(dir, "identity"));
    await expectCorrupt(dir, /identity file is missing/);
  });
});

describe("pitfall 18: the high-water mark", () => {
  test("a write-ahead log that was cut short anywhere is noticed", async () => {
    const dir = await written(30);
    const name = readdirSync(join(dir, "log")).find((n) => n.endsWith(".log"))!;
    const size = statSync(join(dir, "log", name)).size;
    const copy = newDir();
    cpSync(join(dir, "log"), copy, { recursive: true });
    const mark = readFileSync(join(dir, "high-water"));
    for (const keep of [0, 0.1, 0.5, 0.9, 1 - 1 / size]) {
      truncateSync(join(dir, "log", name), Math.floor(size * keep));
      expect((await refusal(dir)).message).toMatch(/were acknowledged|identity is missing|was lost/);
      rmSync(join(dir, "log"), { recursive: true });
      cpSync(copy, join(dir, "log"), { recursive: true });
      writeFileSync(join(dir, "high-water"), mark);
    }
    await (await open(dir)).close();
  });

  test("a torn slot is survived; none, or no file, is refused", async () => {
    const dir = await written(10);
    const path = join(dir, "high-water");
    for (const slot of [0, 4096]) {
      const bytes = readFileSync(path);
      bytes[slot + 20]! ^= 1;
      writeFileSync(path, bytes);
      await (await open(dir)).close();
    }
    writeFileSync(path, Buffer.alloc(8192));
    await expectCorrupt(dir, /neither slot/);
    rmSync(path);
    await expectCorrupt(dir, /high-water mark is missing/);
  });

  test("a crash between two steps of a save leaves the log ahead of the mark, never behind: it opens", async () => {
    const dir = await written(10);
    const path = join(dir, "high-water");
    const before = readFileSync(path);
    const store = await open(dir);
    await store.save(save(range(11, 20, 1)));
    await store.close();
    // After the batch, before the mark. (Written in place: the file stays the same one.)
    writeFileSync(path, before);
    const again = await open(dir);
    expect(again.restored.entries.length).toBe(20);
    await again.close();
    // Before the batch that replaces entries 16 to 20, after the mark went back to 15.
    const high = await HighWaterFile.open(path, false);
    const crc = encodeChain(range(1, 15, 1));
    expect(high.mark.index).toBe(20);
    await high.write({ ...high.mark, index: 15, crc });
    await high.close();
    const third = await open(dir);
    expect(third.restored.entries.length).toBe(20);
    await third.close();
  });

  test("a lost vote is noticed: the hard state must be as promised", async () => {
    const dir = newDir();
    const store = await open(dir);
    await store.save(save([], { term: 4, vote: "b" }));
    await store.close();
    const old = newDir();
    cpSync(join(dir, "log"), old, { recursive: true });
    const again = await open(dir);
    await again.save(save([], { term: 5, vote: "c" }));
    await again.close();
    rmSync(join(dir, "log"), { recursive: true });
    cpSync(old, join(dir, "log"), { recursive: true });
    await expectCorrupt(dir, /hard-state was lost: it says term 4, vote b, but term 5, vote c was promised/);
  });

  test("a lost truncation is noticed even if later entries fit on top", async () => {
    // The same index and a fitting term, but another entry: the chain of checksums tells.
    const dir = newDir();
    const store = await open(dir);
    await store.save(save(range(1, 5, 1)));
    await store.save(save(range(6, 6, 1)));
    await store.close();
    const database = await openDatabase(join(dir, "log"));
    const foreign = encodeEntry(entry(3, 1, "another"), 12345);
    await database.batch([{ type: "put", key: foreign.key, value: foreign.value }], { sync: true });
    await database.close();
    await expectCorrupt(dir, /entry 3 does not follow the entry before it/);
  });

  test("pitfall 22: a log folder rolled back under its mark is refused", async () => {
    const dir = await written(10);
    const old = newDir();
    cpSync(join(dir, "log"), old, { recursive: true });
    const store = await open(dir);
    await store.save(save(range(11, 20, 1)));
    await store.close();
    rmSync(join(dir, "log"), { recursive: true });
    renameSync(old, join(dir, "log"));
    await expectCorrupt(dir, /ends at entry 10, but entries up to 20 were acknowledged/);
  });

  test("pitfall 22: a cloned folder is refused until the operator adopts it", async () => {
    const dir = await written(10);
    const clone = newDir();
    cpSync(dir, clone, { recursive: true });
    await expectCorrupt(clone, /is a copy, or was put back from a backup/);
    writeFileSync(join(clone, "adopt-copy"), "");
    await (await open(clone)).close();
    expect(existsSync(join(clone, "adopt-copy"))).toBe(false);
    await (await open(clone)).close();
    await (await open(dir)).close();
  });
});

describe("pitfall 10: a crash at each step of a snapshot", () => {
  const data = Buffer.from("state at 15");

  async function expectWhole(dir: string, base: number, snapshot: number | undefined): Promise<void> {
    const store = await open(dir);
    expect(store.restored.base.index).toBe(base);
    expect(store.restored.entries.at(-1)?.index ?? base).toBe(20);
    expect(store.snapshot?.meta.index).toBe(snapshot);
    expect(readdirSync(join(dir, "snapshots")).filter((n) => n.endsWith(".tmp"))).toEqual([]);
    await store.close();
  }

  test("own snapshot: half-written, renamed but not cut, cut", async () => {
    const dir = await written(20);
    writeFileSync(join(dir, "snapshots", "0000000000000015.snapshot.tmp"), "MESHSNP1 half");
    await expectWhole(dir, 0, undefined);
    const store = await open(dir);
    await store.snapshots.save(meta(15, 1), data);
    await store.close();
    await expectWhole(dir, 0, 15);
    const again = await open(dir);
    await again.compact(12);
    await again.close();
    await expectWhole(dir, 12, 15);
    const third = await open(dir);
    expect(Buffer.from(third.snapshot!.data).equals(data)).toBe(true);
    await third.close();
  });

  test("a leader's snapshot: stored but not installed is forgotten, installed replaces the log", async () => {
    const dir = await written(20);
    const store = await open(dir);
    await store.snapshots.save(meta(90, 3), data);
    await store.close();
    await expectWhole(dir, 0, undefined);
    const again = await open(dir);
    await again.snapshots.save(meta(90, 3), data);
    await again.save(save(range(91, 92, 3), { term: 3 }, meta(90, 3)));
    await again.close();
    const third = await open(dir);
    expect(third.restored).toMatchObject({ base: { index: 90, term: 3 }, snapshot: meta(90, 3) });
    expect(third.restored.entries).toEqual(range(91, 92, 3));
    // Two in a row (etcd #18055).
    await third.snapshots.save(meta(120, 4), data);
    await third.save(save([], { term: 4 }, meta(120, 4)));
    await third.close();
    const fourth = await open(dir);
    expect(fourth.restored).toMatchObject({ base: { index: 120, term: 4 }, entries: [] });
    await fourth.close();
  });

  test("only the newest two files are kept", async () => {
    const dir = await written(20);
    const store = await open(dir);
    for (const index of [5, 10, 15]) await store.snapshots.save(meta(index, 1), data);
    await store.snapshots.prune();
    expect(readdirSync(join(dir, "snapshots")).length).toBe(2);
    expect(await store.snapshots.read(5)).toBeUndefined();
    expect((await store.snapshots.read(15))?.meta).toEqual(meta(15, 1));
    await store.close();
  });
});

test("pitfall 19: after one failed write nothing more is written", async () => {
  const dir = newDir();
  const store = await open(dir);
  await store.save(save(range(1, 3, 1)));
  await store.close();
  const failure = await store.save(save(range(4, 4, 1))).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("cannot write to the log") });
  expect(await store.save(save(range(5, 5, 1))).catch((error: unknown) => error)).toBe(failure);
});
