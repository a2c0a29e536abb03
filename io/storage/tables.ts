import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { liveFiles } from "./manifest.ts";
import { Varints, type Handle } from "./varints.ts";

/**
 * LevelDB's table files, checked before it opens them.
 *
 * Each block of a table ends in a type byte and a masked CRC32C, but LevelDB does not look at them unless asked, and
 * its binding cannot ask: a flipped byte in a block's structure ends the whole process in a failed assertion. So
 * every block is checked here first. A damaged file counts only if LevelDB's manifest names it: one that a crash left
 * unfinished is not in use, and LevelDB removes it.
 *
 *     file    = block... footer        block  = contents type(1) crc(4, little-endian)
 *     footer  = handle of the metaindex, handle of the index, padding to 40, magic(8)
 *     index   = entries (shared, unshared, value length: varints; key bytes; value = handle) restarts(4 each) count(4)
 *     handle  = offset, size: varints
 */
const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC = Buffer.from("57fb808b247547db", "hex");
const MASK_DELTA = 0xa282ead8;

/** Names of the tables in use that have a block with a wrong checksum. */
export function damagedTables(dir: string): string[] {
  const names = readdirSync(dir).filter((name) => /\.(ldb|sst)$/.test(name));
  const damaged = names.filter((name) => !tableIsWhole(readFileSync(join(dir, name))));
  if (damaged.length === 0) return [];
  const live = liveFiles(dir);
  // With an unreadable manifest every table may be in use.
  return live === undefined ? damaged : damaged.filter((name) => live.has(Number.parseInt(name, 10)));
}

export function tableIsWhole(file: Buffer): boolean {
  if (file.length < FOOTER_BYTES) return false;
  const footer = file.subarray(file.length - FOOTER_BYTES);
  if (!footer.subarray(40).equals(MAGIC)) return false;
  const reader = new Varints(footer);
  const [metaindex, index] = [reader.handle(), reader.handle()];
  const roots = [readBlock(file, metaindex), readBlock(file, index)];
  return roots.every((root) => root !== undefined && handlesIn(root)?.every((h) => readBlock(file, h) !== undefined));
}

/** A block's contents; undefined when its checksum does not match, or it is compressed (this log never is). */
function readBlock(file: Buffer, { offset, size }: Handle): Buffer | undefined {
  const end = offset + size;
  if (!(end + TRAILER_BYTES <= file.length - FOOTER_BYTES)) return undefined;
  if (file[end] !== 0) return undefined;
  const masked = file.readUInt32LE(end + 1);
  const crc = crc32c(file.subarray(offset, end + 1));
  const expected = (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
  return expected === masked ? file.subarray(offset, end) : undefined;
}

/** The handles that an index block lists; undefined when it is no index. */
function handlesIn(block: Buffer): Handle[] | undefined {
  if (block.length < 4) return undefined;
  const end = block.length - 4 * (block.readUInt32LE(block.length - 4) + 1);
  const handles: Handle[] = [];
  const reader = new Varints(block);
  while (reader.at < end) {
    reader.next();
    const keyBytes = reader.next();
    const valueBytes = reader.next();
    reader.at += keyBytes;
    handles.push(new Varints(block, reader.at).handle());
    reader.at += valueBytes;
  }
  return reader.at === end ? handles : undefined;
}

let crcTable: Uint32Array | undefined;

/** CRC-32C (Castagnoli), reflected polynomial 0x82f63b78; RFC 3720 appendix B.4 has its test values. */
export function crc32c(bytes: Uint8Array): number {
  crcTable ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    return crc;
  });
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = crcTable[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
