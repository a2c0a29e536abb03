import { existsSync } from "node:fs";
import { join } from "node:path";
import { Level } from "level";
import type { Entry, HardState } from "../../core/raft/messages.ts";
import { corrupt, storageFailed } from "./corrupt.ts";
import type { HighWaterMark } from "./high-water.ts";
import type { Identity } from "./identity.ts";
import {
  decodeBase, decodeEntry, decodeHardState, decodeMeta, encodeMeta, ENTRY_RANGE, entryIndexOf, entryKey, metaKey,
  type BaseRecord,
} from "./records.ts";
import { damagedTables } from "./tables.ts";

export type LogDatabase = Level<Buffer, Buffer>;

/** Opens LevelDB, having checked its tables. An empty database never takes the place of a lost one. */
export async function openDatabase(path: string): Promise<LogDatabase> {
  if (!existsSync(path)) throw corrupt(path, "the log database is missing");
  const [damaged] = damagedTables(path);
  if (damaged !== undefined) throw corrupt(join(path, damaged), "a block of a table file has a wrong checksum");
  return openLevel(path, false);
}

/** Makes a new database at a node's birth. */
export async function createDatabase(path: string): Promise<LogDatabase> {
  return openLevel(path, true);
}

async function openLevel(path: string, create: boolean): Promise<LogDatabase> {
  const database: LogDatabase = new Level<Buffer, Buffer>(path, {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    createIfMissing: create,
    compression: false,
    // Only the browser's twin of this class knows a prefix, but the type asks for one.
    prefix: "",
  });
  try {
    await database.open();
  } catch (error) {
    throw openError(path, error);
  }
  return database;
}

function openError(path: string, error: unknown): Error {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  if (cause?.code === "LEVEL_LOCKED") return storageFailed(path, "another process has this log open", cause);
  const message = cause?.message ?? String(error);
  if (/permission denied|too many open files|no space|read-only/i.test(message)) {
    return storageFailed(path, "cannot open the log database", cause);
  }
  return corrupt(path, `the log database cannot be opened: ${message}`, error);
}

/** What the database holds, verified. */
export interface Scanned {
  readonly hardState: HardState;
  readonly base: BaseRecord;
  readonly entries: readonly Entry[];
  /** CRC of each entry, in step with `entries`. */
  readonly crcs: readonly number[];
}

const NO_BASE: BaseRecord = { index: 0, term: 0, crc: 0 };
const NO_HARD_STATE: HardState = { term: 0, vote: "", commit: 0 };

/** Reads everything once: each record's CRC, the chain, contiguous indexes, terms that never go back. */
export async function scan(database: LogDatabase, path: string, identity: Identity): Promise<Scanned> {
  try {
    await checkIdentity(database, path, identity);
    const base = await readMeta(database, path, { name: "base", decode: decodeBase, missing: NO_BASE });
    const hardState = await readMeta(database, path, {
      name: "hard-state",
      decode: decodeHardState,
      missing: NO_HARD_STATE,
    });
    const log = await scanEntries(database, path, base);
    const lastTerm = log.entries.at(-1)?.term ?? base.term;
    if (lastTerm > hardState.term) {
      throw corrupt(path, `the record hard-state says term ${hardState.term}, but the log has entries of ${lastTerm}`);
    }
    return { hardState, base, ...log };
  } catch (error) {
    const code = (error as { code?: string }).code ?? "";
    throw code.startsWith("LEVEL_") ? corrupt(path, `the log database cannot be read: ${String(error)}`, error) : error;
  }
}

async function checkIdentity(database: LogDatabase, path: string, identity: Identity): Promise<void> {
  const value = await database.get(metaKey("identity"));
  const found = value === undefined ? undefined : (decodeMeta("identity", value) as Identity | undefined);
  if (found === undefined) throw corrupt(path, "the record identity is missing or its checksum does not match");
  if (found.birth === identity.birth) return;
  throw corrupt(path, "the log belongs to another identity than the file beside it");
}

interface MetaRead<T> {
  readonly name: "base" | "hard-state";
  readonly decode: (value: Uint8Array) => T | undefined;
  readonly missing: T;
}

async function readMeta<T>(database: LogDatabase, path: string, read: MetaRead<T>): Promise<T> {
  const value = await database.get(metaKey(read.name));
  // Missing is judged by the high-water mark: it knows whether there ever was one.
  if (value === undefined) return read.missing;
  const decoded = read.decode(value);
  if (decoded === undefined) throw corrupt(path, `the checksum of the record ${read.name} does not match`);
  return decoded;
}

async function scanEntries(
  database: LogDatabase,
  path: string,
  base: BaseRecord,
): Promise<{ entries: Entry[]; crcs: number[] }> {
  const entries: Entry[] = [];
  const crcs: number[] = [];
  let previous: { index: number; term: number; crc: number } = base;
  // Below the base may lie what a crash kept from being cleared; it is not looked at.
  for await (const [key, value] of database.iterator({ gte: entryKey(base.index + 1), lt: ENTRY_RANGE.lt })) {
    const decoded = decodeEntry(key, value);
    const name = `entry ${entryIndexOf(key) ?? key.toString("hex")}`;
    if (typeof decoded === "string") throw corrupt(path, `${name} cannot be used: ${decoded}`);
    const { entry, crc } = decoded;
    if (entry.index !== previous.index + 1) {
      throw corrupt(path, `entries ${previous.index + 1} to ${entry.index - 1} are missing`);
    }
    if (entry.term < previous.term) throw corrupt(path, `${name} has term ${entry.term} after ${previous.term}`);
    if (decoded.previous !== previous.crc) {
      throw corrupt(path, `${name} does not follow the entry before it: a write between them was lost`);
    }
    entries.push(entry);
    crcs.push(crc);
    previous = { index: entry.index, term: entry.term, crc };
  }
  return { entries, crcs };
}

/** What was promised must be there: at least as far, the same entry, at least that term, and that vote. */
export function checkAgainstMark(found: Scanned, mark: HighWaterMark, path: string): void {
  const { hardState, base, entries, crcs } = found;
  const last = base.index + entries.length;
  if (mark.index > last) {
    throw corrupt(path, `it ends at entry ${last}, but entries up to ${mark.index} were acknowledged`);
  }
  if (mark.index > base.index) {
    const at = mark.index - base.index - 1;
    if (entries[at]?.term !== mark.term || crcs[at] !== mark.crc) {
      throw corrupt(path, `entry ${mark.index} is not the one that was acknowledged`);
    }
  }
  const votedSame = mark.vote === "" || hardState.vote === mark.vote;
  if (hardState.term < mark.currentTerm || (hardState.term === mark.currentTerm && !votedSame)) {
    throw corrupt(
      path,
      `the record hard-state was lost: it says term ${hardState.term}, vote ${hardState.vote || "none"}, ` +
        `but term ${mark.currentTerm}, vote ${mark.vote || "none"} was promised`,
    );
  }
}

/** Marks a database as this identity's; it must hold nothing else. */
export async function claimDatabase(database: LogDatabase, path: string, identity: Identity): Promise<void> {
  for await (const key of database.keys({ limit: 2 })) {
    if (key.equals(metaKey("identity"))) continue;
    throw corrupt(path, "the identity file is missing, but the log is not empty");
  }
  const operations = [{ type: "put" as const, key: metaKey("identity"), value: encodeMeta("identity", identity) }];
  await database.batch(operations, { sync: true });
}
