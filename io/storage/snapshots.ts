import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { SnapshotMeta } from "../../core/raft/messages.ts";
import { ensureDir, syncDir } from "../files.ts";
import { corrupt, storageFailed } from "./corrupt.ts";

/**
 * Snapshot files. One is written under another name, synced, renamed, and the folder synced; only then may the log be
 * cut. A crash before the rename leaves a `.tmp`; one after it leaves a log that is longer than it needs to be. The
 * newest file is the snapshot; one older is kept until the next.
 *
 *     "MESHSNP1" crc32(4) header length(4) header (JSON: meta, data length) data
 *
 * The CRC covers everything behind it. A half-written `.tmp` is removed when the folder is next read.
 */
const MAGIC = Buffer.from("MESHSNP1");
const HEAD_BYTES = MAGIC.length + 8;
const KEPT = 2;

export interface StoredSnapshot {
  readonly meta: SnapshotMeta;
  readonly data: Uint8Array;
}

const fileName = (index: number): string => `${index.toString().padStart(16, "0")}.snapshot`;

export class SnapshotFiles {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
    ensureDir(dir);
  }

  /** Durable when it resolves. */
  async save(meta: SnapshotMeta, data: Uint8Array): Promise<void> {
    const path = join(this.#dir, fileName(meta.index));
    const temporary = `${path}.tmp`;
    try {
      const handle = await open(temporary, "w", 0o600);
      try {
        for (const part of encode(meta, data)) await writeAll(handle, part);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
      syncDir(this.#dir);
    } catch (error) {
      throw storageFailed(path, "cannot write a snapshot", error);
    }
  }

  /**
   * The newest snapshot that `fits` the log, verified; undefined when there is none. One that does not fit came from
   * a leader and a crash kept it from replacing the log: it never counted, and is removed.
   */
  async newest(fits: (meta: SnapshotMeta) => boolean): Promise<StoredSnapshot | undefined> {
    for (const name of (await this.#names()).reverse()) {
      const path = join(this.#dir, name);
      const snapshot = await this.#read(path);
      if (fits(snapshot.meta)) return snapshot;
      await rm(path);
    }
    return undefined;
  }

  /** Reads one snapshot, verified; undefined when it is not kept any more. */
  async read(index: number): Promise<StoredSnapshot | undefined> {
    const names = await this.#names();
    return names.includes(fileName(index)) ? this.#read(join(this.#dir, fileName(index))) : undefined;
  }

  /** Removes all but the newest ones. */
  async prune(): Promise<void> {
    const names = await this.#names();
    for (const name of names.slice(0, -KEPT)) await rm(join(this.#dir, name), { force: true });
  }

  async #names(): Promise<string[]> {
    const names = await readdir(this.#dir);
    for (const name of names) if (name.endsWith(".tmp")) await rm(join(this.#dir, name), { force: true });
    return names.filter((name) => /^\d{16}\.snapshot$/.test(name)).sort();
  }

  async #read(path: string): Promise<StoredSnapshot> {
    const bytes = await readFile(path).catch((error: unknown) => {
      throw storageFailed(path, "cannot read a snapshot", error);
    });
    const decoded = decode(bytes);
    if (typeof decoded === "string") throw corrupt(path, `a snapshot file cannot be used: ${decoded}`);
    return decoded;
  }
}

async function writeAll(handle: Awaited<ReturnType<typeof open>>, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += (await handle.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}

function encode(meta: SnapshotMeta, data: Uint8Array): readonly Uint8Array[] {
  const header = Buffer.from(JSON.stringify({ ...meta, bytes: data.length }));
  const head = Buffer.alloc(HEAD_BYTES);
  MAGIC.copy(head);
  head.writeUInt32BE(header.length, MAGIC.length + 4);
  head.writeUInt32BE(crc32(data, crc32(header, crc32(head.subarray(MAGIC.length + 4)))), MAGIC.length);
  return [head, header, data];
}

function decode(bytes: Buffer): StoredSnapshot | string {
  if (bytes.length < HEAD_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return "its head is damaged";
  const crc = bytes.readUInt32BE(MAGIC.length);
  if (crc32(bytes.subarray(MAGIC.length + 4)) !== crc) return "its checksum does not match";
  const headerEnd = HEAD_BYTES + bytes.readUInt32BE(MAGIC.length + 4);
  const header = JSON.parse(bytes.toString("utf8", HEAD_BYTES, headerEnd)) as SnapshotMeta & { bytes: number };
  const data = bytes.subarray(headerEnd);
  if (data.length !== header.bytes) return `it holds ${data.length} bytes instead of ${header.bytes}`;
  const { index, term, membership } = header;
  return { meta: { index, term, membership }, data };
}
