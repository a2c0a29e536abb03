import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  expectCorrupt, meta, newDir, open, range, refusal, removeFolders, written,
} from "../../test/sim/log-folders.ts";

afterAll(removeFolders);

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
