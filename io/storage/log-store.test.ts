import {
  cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  encodeChain, entry, expectCorrupt, meta, newDir, open, range, refusal, removeFolders, save, written,
} from "../../test/sim/log-folders.ts";
import { openDatabase } from "./database.ts";
import { HighWaterFile } from "./high-water.ts";
import { LogStore } from "./log-store.ts";
import { encodeEntry } from "./records.ts";

afterAll(removeFolders);

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
  const message = expect.stringContaining("cannot write to the log");
  expect(failure).toMatchObject({ code: "STORAGE_FAILED", message });
  expect(await store.save(save(range(5, 5, 1))).catch((error: unknown) => error)).toBe(failure);
});
