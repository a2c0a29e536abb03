import { rmSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../../core/base/assert.ts";
import { MeshError } from "../../core/base/errors.ts";
import type { Entry, HardState, SnapshotMeta } from "../../core/raft/messages.ts";
import type { Restored } from "../../core/raft/raft.ts";
import { ensureDir, readFileIfExists, syncDir } from "../files.ts";
import { corrupt, storageFailed } from "./corrupt.ts";
import {
  checkAgainstMark, claimDatabase, createDatabase, openDatabase, scan, type LogDatabase, type Scanned,
} from "./database.ts";
import { HighWaterFile } from "./high-water.ts";
import { newIdentity, readIdentity, writeIdentity, type Identity } from "./identity.ts";
import { encodeEntry, encodeMeta, entryKey, metaKey, type BaseRecord } from "./records.ts";
import { SnapshotFiles, type StoredSnapshot } from "./snapshots.ts";

/**
 * A Raft node's disk. In the folder: `identity`, `high-water`, `log/` (LevelDB), `snapshots/`.
 *
 * Order of a save, and what a crash between two steps leaves:
 *
 *  1. if entries are replaced: the high-water mark goes back to the last one that stays (the log still has more);
 *  2. one synced batch: deletions, entries, hard state (the log is ahead of the mark: fine, nobody was told);
 *  3. the high-water mark goes forward, synced; only now may anything be acknowledged.
 *
 * The mark therefore never says more than the log holds, unless the log lost something: then the store does not open.
 * Everything is read once, at open, and verified; later reads come from memory. After any error nothing more is
 * written: what failed may or may not be there after a restart.
 */
export interface Save {
  readonly entries: readonly Entry[];
  readonly hardState: HardState;
  /** Its file was saved before; it replaces the whole log. */
  readonly snapshot: SnapshotMeta | undefined;
}

export interface OpenOptions {
  readonly dir: string;
  readonly nodeId: string;
  /** In a new folder: begin a group of one. Otherwise wait to be added. Ignored in an old folder. */
  readonly bootstrap: boolean;
}

interface Position {
  readonly term: number;
  readonly crc: number;
}

export class LogStore {
  readonly snapshots: SnapshotFiles;
  /** What the disk held at open; the state machine starts from `snapshot`. */
  readonly restored: Restored;
  readonly snapshot: StoredSnapshot | undefined;
  readonly #path: string;
  readonly #database: LogDatabase;
  readonly #high: HighWaterFile;
  #base: BaseRecord;
  /** Of each entry after the base. */
  #positions: Position[];
  #hardState: HardState;
  #failed: unknown;

  private constructor(parts: {
    path: string;
    database: LogDatabase;
    high: HighWaterFile;
    snapshots: SnapshotFiles;
    snapshot: StoredSnapshot | undefined;
    found: Scanned;
    identity: Identity;
  }) {
    const { found, snapshot } = parts;
    this.#path = parts.path;
    this.#database = parts.database;
    this.#high = parts.high;
    this.snapshots = parts.snapshots;
    this.snapshot = snapshot;
    this.#base = found.base;
    this.#positions = found.entries.map((entry, i) => ({ term: entry.term, crc: found.crcs[i]! }));
    this.#hardState = found.hardState;
    this.restored = {
      hardState: found.hardState,
      base: { index: found.base.index, term: found.base.term },
      entries: found.entries,
      snapshot: snapshot?.meta,
      membership: snapshot?.meta.membership ?? { voters: parts.identity.voters },
    };
  }

  /** Opens or creates the folder. STORAGE_CORRUPT when anything promised is missing or changed. */
  static async open(options: OpenOptions): Promise<LogStore> {
    const { dir } = options;
    const logPath = join(dir, "log");
    const adoptPath = join(dir, "adopt-copy");
    const identity = readIdentity(join(dir, "identity")) ?? (await giveBirth(options));
    if (identity.nodeId !== options.nodeId) {
      throw new MeshError("INVALID_CONFIG", `${dir} belongs to the node ${identity.nodeId}, not ${options.nodeId}`, {
        where: dir,
        fix: `start this server as ${identity.nodeId}, or give it a data folder of its own`,
      });
    }
    // The database first: its lock keeps a second process away from all files.
    const database = await openDatabase(logPath);
    let high: HighWaterFile | undefined;
    try {
      high = await HighWaterFile.open(join(dir, "high-water"), readFileIfExists(adoptPath) !== undefined);
      const found = await scan(database, logPath, identity);
      checkAgainstMark(found, high.mark, logPath);
      const snapshots = new SnapshotFiles(join(dir, "snapshots"));
      const snapshot = await snapshots.newest((meta) => fits(found, meta));
      checkSnapshot(found, snapshot, join(dir, "snapshots"));
      const store = new LogStore({ path: logPath, database, high, snapshots, snapshot, found, identity });
      // A crash may have kept the mark from following the log; what is used from now on must be covered.
      await store.#raiseMark();
      rmSync(adoptPath, { force: true });
      return store;
    } catch (error) {
      await high?.close();
      await database.close();
      throw error;
    }
  }

  get lastIndex(): number {
    return this.#base.index + this.#positions.length;
  }

  /** Writes one Ready in one synced batch. Durable, and covered by the mark, when it resolves. */
  async save(save: Save): Promise<void> {
    await this.#guard("cannot write to the log", async () => {
      const operations: Operation[] = [];
      const first = save.entries[0]?.index;
      if (save.snapshot !== undefined) {
        await this.#replaceLog(save.snapshot, operations);
      } else if (first !== undefined && first <= this.lastIndex) {
        await this.#cutTail(first, operations);
      }
      for (const entry of save.entries) this.#put(entry, operations);
      this.#hardState = save.hardState;
      const value = encodeMeta("hard-state", save.hardState);
      operations.push({ type: "put", key: metaKey("hard-state"), value });
      await this.#database.batch(operations, { sync: true });
      await this.#raiseMark();
    });
  }

  /** Drops entries up to `index`; a durable snapshot covers them. */
  async compact(index: number): Promise<void> {
    if (index <= this.#base.index) return;
    await this.#guard("cannot cut the log", async () => {
      const { term, crc } = this.#positionAt(index);
      const base: BaseRecord = { index, term, crc };
      const from = this.#base.index + 1;
      this.#positions = this.#positions.slice(index - this.#base.index);
      this.#base = base;
      const put = { type: "put" as const, key: metaKey("base"), value: encodeMeta("base", base) };
      await this.#database.batch([put], { sync: true });
      // Need not be atomic: nothing below the base is ever looked at.
      await this.#database.clear({ gte: entryKey(from), lte: entryKey(index) });
    });
  }

  async close(): Promise<void> {
    await this.#database.close();
    await this.#high.close();
  }

  #positionAt(index: number): Position {
    if (index === this.#base.index) return this.#base;
    const position = this.#positions[index - this.#base.index - 1];
    assert(position !== undefined, `entry ${index} is not in the log`);
    return position;
  }

  #put(entry: Entry, operations: Operation[]): void {
    assert(entry.index === this.lastIndex + 1, `entry ${entry.index} does not follow ${this.lastIndex}`);
    const { key, value, crc } = encodeEntry(entry, this.#positionAt(this.lastIndex).crc);
    this.#positions.push({ term: entry.term, crc });
    operations.push({ type: "put", key, value });
  }

  async #cutTail(first: number, operations: Operation[]): Promise<void> {
    assert(first > this.#base.index, "cannot replace what was cut off");
    const last = this.lastIndex;
    await this.#high.write(this.#mark(first - 1));
    this.#positions.length = first - this.#base.index - 1;
    for (let index = first; index <= last; index++) operations.push({ type: "del", key: entryKey(index) });
  }

  async #replaceLog(snapshot: SnapshotMeta, operations: Operation[]): Promise<void> {
    const last = this.lastIndex;
    await this.#high.write(this.#mark(this.#base.index));
    const first = this.#base.index + 1;
    for (let index = first; index <= last; index++) operations.push({ type: "del", key: entryKey(index) });
    this.#base = { index: snapshot.index, term: snapshot.term, crc: 0 };
    this.#positions = [];
    operations.push({ type: "put", key: metaKey("base"), value: encodeMeta("base", this.#base) });
  }

  #mark(index: number): Parameters<HighWaterFile["write"]>[0] {
    const { term, crc } = this.#positionAt(index);
    return { index, term, crc, currentTerm: this.#hardState.term, vote: this.#hardState.vote };
  }

  async #raiseMark(): Promise<void> {
    await this.#high.write(this.#mark(this.lastIndex));
  }

  async #guard(what: string, write: () => Promise<void>): Promise<void> {
    if (this.#failed !== undefined) throw this.#failed;
    try {
      await write();
    } catch (error) {
      this.#failed = error instanceof MeshError ? error : storageFailed(this.#path, what, error);
      throw this.#failed;
    }
  }
}

type Operation = { type: "put"; key: Buffer; value: Buffer } | { type: "del"; key: Buffer };

/** Makes the folder's content; a crash anywhere leaves no identity, and the next start begins again. */
async function giveBirth(options: OpenOptions): Promise<Identity> {
  const { dir } = options;
  ensureDir(dir);
  const identity = newIdentity(options.nodeId, options.bootstrap);
  const logPath = join(dir, "log");
  const database = await createDatabase(logPath);
  try {
    await claimDatabase(database, logPath, identity);
  } finally {
    await database.close();
  }
  await HighWaterFile.create(join(dir, "high-water"));
  ensureDir(join(dir, "snapshots"));
  syncDir(dir);
  writeIdentity(join(dir, "identity"), identity);
  return identity;
}

/** False for a snapshot beside the log instead of under it: its last entry is not in the log. */
function fits(found: Scanned, meta: SnapshotMeta): boolean {
  const { base, entries } = found;
  if (meta.index <= base.index) return meta.index < base.index || meta.term === base.term;
  return entries[meta.index - base.index - 1]?.term === meta.term;
}

function checkSnapshot(found: Scanned, snapshot: StoredSnapshot | undefined, path: string): void {
  if ((snapshot?.meta.index ?? 0) >= found.base.index) return;
  const has = snapshot === undefined ? "no snapshot is there" : `the newest snapshot ends at ${snapshot.meta.index}`;
  throw corrupt(path, `the log begins after entry ${found.base.index}, but ${has}`);
}
