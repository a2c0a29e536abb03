import { crc32 } from "node:zlib";
import type { Entry, EntryType, HardState } from "../../core/raft/messages.ts";

/**
 * Records of the log database. LevelDB returned a wrong value for a flipped byte and opened without an error after
 * losing synced writes, so every record proves itself:
 *
 *     entry   = crc32(4) previous(4) version(1) type(1) term(8) data
 *     record  = crc32(4) JSON
 *
 * The CRC covers the key too, so a value under a wrong key is caught, and `previous` is the CRC of the entry before:
 * a chain in which an entry that was lost and left an older one in its place shows.
 */
const VERSION = 1;
const HEAD_BYTES = 18;
const TYPES: readonly EntryType[] = ["noop", "command"];

const ENTRY_PREFIX = 0x65; // "e"
const META_PREFIX = 0x6d; // "m"

/** Key of an entry: sorts by index. */
export function entryKey(index: number): Buffer {
  const key = Buffer.alloc(9);
  key[0] = ENTRY_PREFIX;
  key.writeBigUInt64BE(BigInt(index), 1);
  return key;
}

export function entryIndexOf(key: Uint8Array): number | undefined {
  if (key.length !== 9 || key[0] !== ENTRY_PREFIX) return undefined;
  return Number(Buffer.from(key.buffer, key.byteOffset, 9).readBigUInt64BE(1));
}

/** Keys of entries are between these, the second exclusive. */
export const ENTRY_RANGE = { gte: Buffer.from([ENTRY_PREFIX]), lt: Buffer.from([ENTRY_PREFIX + 1]) } as const;

export type MetaName = "hard-state" | "base" | "identity";

export function metaKey(name: MetaName): Buffer {
  return Buffer.concat([Buffer.from([META_PREFIX]), Buffer.from(name)]);
}

export interface EncodedEntry {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly crc: number;
}

/** `previous` is the CRC of the entry before, or of the base. */
export function encodeEntry(entry: Entry, previous: number): EncodedEntry {
  const key = entryKey(entry.index);
  const value = Buffer.allocUnsafe(HEAD_BYTES + entry.data.length);
  value.writeUInt32BE(previous, 4);
  value[8] = VERSION;
  value[9] = TYPES.indexOf(entry.type);
  value.writeBigUInt64BE(BigInt(entry.term), 10);
  value.set(entry.data, HEAD_BYTES);
  const crc = crc32(value.subarray(4), crc32(key));
  value.writeUInt32BE(crc, 0);
  return { key, value, crc };
}

export interface DecodedEntry {
  readonly entry: Entry;
  readonly crc: number;
  readonly previous: number;
}

/** A string says what is wrong with the record. */
export function decodeEntry(key: Uint8Array, value: Uint8Array): DecodedEntry | string {
  const index = entryIndexOf(key);
  if (index === undefined) return "its key is not that of an entry";
  if (value.length < HEAD_BYTES) return `it is ${value.length} bytes long, shorter than a record's head`;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  const crc = bytes.readUInt32BE(0);
  if (crc32(bytes.subarray(4), crc32(key)) !== crc) return "its checksum does not match";
  if (bytes[8] !== VERSION) return `it has version ${bytes[8]}, this program knows ${VERSION}`;
  const type = TYPES[bytes[9]!];
  if (type === undefined) return `it has the unknown type ${bytes[9]}`;
  const term = Number(bytes.readBigUInt64BE(10));
  // A copy: the database's buffer may be a slice of a large one.
  const data = new Uint8Array(bytes.subarray(HEAD_BYTES));
  return { entry: { index, term, type, data }, crc, previous: bytes.readUInt32BE(4) };
}

/** Small JSON record with a CRC over key and text. */
export function encodeMeta(name: MetaName, value: object): Buffer {
  const text = Buffer.from(JSON.stringify(value));
  const out = Buffer.alloc(4 + text.length);
  text.copy(out, 4);
  out.writeUInt32BE(crc32(text, crc32(metaKey(name))), 0);
  return out;
}

/** Undefined when the checksum does not match: then nothing in it may be believed. */
export function decodeMeta(name: MetaName, value: Uint8Array): unknown {
  if (value.length < 4) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (crc32(bytes.subarray(4), crc32(metaKey(name))) !== bytes.readUInt32BE(0)) return undefined;
  return JSON.parse(bytes.toString("utf8", 4));
}

/** Where the log begins: the last entry that was cut off, and its CRC for the chain. */
export interface BaseRecord {
  readonly index: number;
  readonly term: number;
  readonly crc: number;
}

/** The record's shape is proven by its checksum; only this program writes it. */
export function decodeHardState(value: Uint8Array): HardState | undefined {
  return decodeMeta("hard-state", value) as HardState | undefined;
}

export function decodeBase(value: Uint8Array): BaseRecord | undefined {
  return decodeMeta("base", value) as BaseRecord | undefined;
}
