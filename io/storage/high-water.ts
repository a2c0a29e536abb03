import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { assert } from "../../core/base/assert.ts";
import { readFileIfExists } from "../files.ts";
import { corrupt, storageFailed } from "./corrupt.ts";

/**
 * The high-water mark: how far the log must reach, kept outside the database.
 *
 * LevelDB may lose the end of its log without a word. Before anything is acknowledged, and after the batch was
 * synced, one of two fixed slots gets {sequence, last entry, term, vote} with a CRC, through O_DSYNC. A crash can tear
 * only the slot being written; the other one still holds the mark before, which the log reaches too. At open the
 * slot with the higher sequence is the mark: a log or vote behind it has lost what it promised.
 *
 * The mark also holds its own file's inode and birth time. A folder that was copied or put back from a backup has
 * another file there, so that a clone, or yesterday's state, does not take part in elections as if nothing had
 * happened (rolling back a whole disk image cannot be seen from within).
 */
export interface HighWaterMark {
  readonly index: number;
  readonly term: number;
  /** CRC of the entry at `index`. */
  readonly crc: number;
  /** From the hard state. */
  readonly currentTerm: number;
  readonly vote: string;
}

interface Slot {
  readonly sequence: number;
  readonly file: string;
  readonly mark: HighWaterMark;
}

/** Slots are on pages of their own, so that no write touches both. */
const SLOT_BYTES = 4096;
const FLAGS = constants.O_RDWR | constants.O_DSYNC;

export class HighWaterFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #file: string;
  #sequence: number;
  readonly mark: HighWaterMark;

  private constructor(path: string, handle: FileHandle, slot: Slot) {
    this.#path = path;
    this.#handle = handle;
    this.#file = slot.file;
    this.#sequence = slot.sequence;
    this.mark = slot.mark;
  }

  /** A new mark at zero, both slots written; the caller syncs the folder. Replaces what an unfinished birth left. */
  static async create(path: string): Promise<void> {
    const old = readFileIfExists(path);
    const reached = old === undefined ? 0 : (newestSlot(old)?.mark.index ?? 0);
    if (reached > 0) throw corrupt(path, `the mark is at entry ${reached}, but the identity file is missing`);
    const mark: HighWaterMark = { index: 0, term: 0, crc: 0, currentTerm: 0, vote: "" };
    const handle = await open(path, FLAGS | constants.O_CREAT | constants.O_TRUNC, 0o600);
    try {
      const file = await fileId(handle);
      await handle.write(Buffer.alloc(2 * SLOT_BYTES), 0, 2 * SLOT_BYTES, 0);
      for (const sequence of [1, 2]) await writeSlot(handle, { sequence, file, mark });
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** Reads and verifies the mark. `adopted`: the operator said that this copy is meant. */
  static async open(path: string, adopted: boolean): Promise<HighWaterFile> {
    const handle = await open(path, FLAGS).catch((error: unknown) => {
      throw (error as { code?: string }).code === "ENOENT"
        ? corrupt(path, "its high-water mark is missing", error)
        : storageFailed(path, "cannot open the high-water mark", error);
    });
    try {
      const bytes = Buffer.alloc(2 * SLOT_BYTES);
      await handle.read(bytes, 0, bytes.length, 0);
      const newest = newestSlot(bytes);
      if (newest === undefined) throw corrupt(path, "neither slot of its high-water mark has a valid checksum");
      const file = await fileId(handle);
      if (file !== newest.file && !adopted) throw foreign(path);
      const high = new HighWaterFile(path, handle, { ...newest, file });
      // Both slots again: a torn one is healed, and the mark is known to be writable before anything is promised.
      await high.write(newest.mark);
      await high.write(newest.mark);
      return high;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Durable when it resolves. */
  async write(mark: HighWaterMark): Promise<void> {
    this.#sequence++;
    await writeSlot(this.#handle, { sequence: this.#sequence, file: this.#file, mark }).catch((error: unknown) => {
      throw storageFailed(this.#path, "cannot write the high-water mark", error);
    });
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

function foreign(path: string): Error {
  const error = corrupt(path, "this data folder is a copy, or was put back from a backup");
  return Object.assign(error, {
    fix:
      "a copy may lack what the original has acknowledged since, and two of one name break the cluster. If the " +
      "original never runs again and this copy is the newest state there is, create the file `adopt-copy` beside " +
      `${path} and start again`,
  });
}

async function fileId(handle: FileHandle): Promise<string> {
  const { ino, birthtimeNs } = await handle.stat({ bigint: true });
  return `${ino}@${birthtimeNs}`;
}

async function writeSlot(handle: FileHandle, slot: Slot): Promise<void> {
  const text = Buffer.from(JSON.stringify(slot));
  assert(8 + text.length <= SLOT_BYTES, "a high-water mark fits its slot");
  const bytes = Buffer.alloc(8 + text.length);
  bytes.writeUInt32BE(crc32(text), 0);
  bytes.writeUInt32BE(text.length, 4);
  text.copy(bytes, 8);
  const at = (slot.sequence % 2) * SLOT_BYTES;
  const { bytesWritten } = await handle.write(bytes, 0, bytes.length, at);
  if (bytesWritten !== bytes.length) throw new Error(`only ${bytesWritten} of ${bytes.length} bytes were written`);
}

function newestSlot(bytes: Buffer): Slot | undefined {
  const slots = [readSlot(bytes.subarray(0, SLOT_BYTES)), readSlot(bytes.subarray(SLOT_BYTES))];
  return slots.reduce((a, b) => ((b?.sequence ?? 0) > (a?.sequence ?? 0) ? b : a));
}

function readSlot(bytes: Buffer): Slot | undefined {
  if (bytes.length < 8) return undefined;
  const length = bytes.readUInt32BE(4);
  if (length === 0 || length > SLOT_BYTES - 8) return undefined;
  const text = bytes.subarray(8, 8 + length);
  if (crc32(text) !== bytes.readUInt32BE(0)) return undefined;
  return JSON.parse(text.toString("utf8")) as Slot;
}
