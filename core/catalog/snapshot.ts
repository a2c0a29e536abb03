import { MeshError } from "../base/errors.ts";
import { isObject } from "./shapes.ts";
import type { State } from "./state.ts";
import { byText } from "./table.ts";
import { ByteWriter, decodeText } from "./text.ts";

/**
 * A snapshot is JSON lines: a header, one `[table, key, row]` per row, and an end line with their number. Tables come
 * in a fixed order and rows ascending by key (requests: oldest first), so equal states give equal bytes. Unknown fields
 * of rows are kept. The header's hash is compared after reading: a snapshot that was altered or cut is refused.
 */
const SNAPSHOT_FORMAT = "mesh-catalog";
const SNAPSHOT_VERSION = 1;

const NEWLINE = 10;
/** A part ends after the row that passes this size. */
const PART_BYTES = 256 * 1024;

interface FrozenTable {
  readonly name: string;
  readonly entries: [string, object][];
}

/**
 * The state as it is at this call, in parts to be joined. Encoding happens as parts are taken, so that a large state
 * need not stop its program for as long as the whole takes; what is applied meanwhile is not in it.
 */
export function snapshotParts(state: State, index: number): Iterable<Uint8Array> {
  const header = { format: SNAPSHOT_FORMAT, version: SNAPSHOT_VERSION, index, hash: state.hash.toString() };
  // Rows never change in place: a copy of the references is a copy of the state.
  const tables = state.tables.map((table): FrozenTable => ({ name: table.name, entries: [...table.entries()] }));
  return encodeParts(header, tables);
}

function* encodeParts(header: object, tables: readonly FrozenTable[]): Generator<Uint8Array> {
  let writer = new ByteWriter(2 * PART_BYTES);
  writer.write(`${JSON.stringify(header)}\n`);
  let rows = 0;
  for (const { name, entries } of tables) {
    // The order of requests is their age, and the same everywhere; any other table's order is an accident.
    if (name !== "requests") entries.sort(([a], [b]) => byText(a, b));
    for (const [key, row] of entries) {
      writer.write(`${JSON.stringify([name, key, row])}\n`);
      rows++;
      if (writer.length < PART_BYTES) continue;
      yield writer.bytes();
      writer = new ByteWriter(2 * PART_BYTES);
    }
  }
  writer.write(`${JSON.stringify({ rows })}\n`);
  yield writer.bytes();
}

/** The whole snapshot in one piece. */
export function writeSnapshot(state: State, index: number): Uint8Array {
  const parts = [...snapshotParts(state, index)];
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const corrupt = (what: string): MeshError => new MeshError("STORAGE_CORRUPT", `catalog snapshot: ${what}`);

function parseLine(text: string | undefined, line: number): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    throw corrupt(`line ${line} is not JSON`);
  }
}

/** Fills an empty state; gives the index of the snapshot. Throws STORAGE_CORRUPT, and INVALID for a newer format. */
export function readSnapshot(state: State, bytes: Uint8Array): number {
  const tables = new Map(state.tables.map((table) => [table.name, table]));
  let index: number | undefined;
  let hash: unknown;
  let rows = 0;
  let ended = false;
  let from = 0;
  for (let line = 1; from < bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, from);
    if (newline < 0 || ended) throw corrupt(ended ? "there is more after its end" : "its last line is cut");
    const value = parseLine(decodeText(bytes, from, newline), line);
    from = newline + 1;
    if (index === undefined) {
      ({ index, hash } = readHeader(value));
    } else if (Array.isArray(value)) {
      const [name, key, row] = value as unknown[];
      const table = tables.get(String(name));
      if (table === undefined || typeof key !== "string" || !isObject(row)) throw corrupt(`line ${line} is no row`);
      table.put(key, row);
      rows++;
    } else {
      ended = isObject(value) && value["rows"] === rows;
      if (!ended) throw corrupt(`it has ${rows} rows, not those that its end line says`);
    }
  }
  if (index === undefined || !ended) throw corrupt("it has no end");
  if (state.hash.toString() !== hash) throw corrupt(`its hash is ${state.hash.toString()}, its header says ${hash}`);
  return index;
}

function readHeader(value: unknown): { index: number; hash: unknown } {
  if (!isObject(value) || value["format"] !== SNAPSHOT_FORMAT) throw corrupt("it has no header");
  if (value["version"] !== SNAPSHOT_VERSION) {
    throw new MeshError("INVALID", `catalog snapshot of version ${String(value["version"])}`, {
      fix: `this program reads version ${SNAPSHOT_VERSION}: use the program that wrote it, or a newer one`,
    });
  }
  if (!Number.isSafeInteger(value["index"])) throw corrupt("its header has no index");
  return { index: value["index"] as number, hash: value["hash"] };
}
