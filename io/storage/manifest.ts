import { join } from "node:path";
import { readFileIfExists } from "../files.ts";
import { Varints } from "./varints.ts";

/**
 * Which table files LevelDB has in use, read from its manifest without opening it.
 *
 * `CURRENT` names the manifest: a log of version edits, in blocks of 32 KiB, records of crc(4) length(2) type(1) data,
 * where a long record is split into first, middle and last pieces. An edit is a list of tagged fields; files added
 * and not deleted later are in use. Its checksums are LevelDB's own business: it verifies them when it opens.
 */
const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;

/** Undefined when it cannot be read. */
export function liveFiles(dir: string): ReadonlySet<number> | undefined {
  const name = readFileIfExists(join(dir, "CURRENT"))?.toString().trim();
  const manifest = name === undefined ? undefined : readFileIfExists(join(dir, name));
  if (manifest === undefined) return undefined;
  const live = new Set<number>();
  for (const edit of records(manifest)) if (!applyEdit(edit, live)) return undefined;
  return live;
}

function* records(log: Buffer): Generator<Buffer> {
  let pieces: Buffer[] = [];
  for (let at = 0; at + HEADER_BYTES <= log.length; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    const size = left < HEADER_BYTES ? 0 : log.readUInt16LE(at + 4);
    const type = left < HEADER_BYTES ? 0 : log[at + 6]!;
    if (type === 0) {
      at += left;
      continue;
    }
    const data = log.subarray(at + HEADER_BYTES, at + HEADER_BYTES + size);
    at += HEADER_BYTES + size;
    // 1 whole, 2 first, 3 middle, 4 last.
    pieces = type === 1 || type === 2 ? [data] : [...pieces, data];
    if (type === 1 || type === 4) yield Buffer.concat(pieces);
  }
}

/** False for a field that LevelDB 1.20 does not write. */
function applyEdit(edit: Buffer, live: Set<number>): boolean {
  const reader = new Varints(edit);
  while (!reader.done) {
    const tag = reader.next();
    if (tag === 1) reader.skipBytes(); // comparator's name
    else if (tag === 2 || tag === 3 || tag === 4 || tag === 9) reader.next(); // counters
    else if (tag === 5) skipPointer(reader);
    else if (tag === 6) live.delete(fileAfterLevel(reader));
    else if (tag === 7) addFile(reader, live);
    else return false;
  }
  return reader.at === edit.length;
}

function skipPointer(reader: Varints): void {
  reader.next(); // level
  reader.skipBytes();
}

function fileAfterLevel(reader: Varints): number {
  reader.next();
  return reader.next();
}

function addFile(reader: Varints, live: Set<number>): void {
  live.add(fileAfterLevel(reader));
  reader.next(); // size
  reader.skipBytes(); // smallest key
  reader.skipBytes(); // largest key
}
