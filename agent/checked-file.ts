/**
 * State on disk as one line with a CRC-32 and one with JSON: a flipped byte or a cut file is found when it is read, and
 * never taken for what was written (the write itself is atomic and synced, io/files.ts).
 */
import { renameSync } from "node:fs";
import { crc32 } from "node:zlib";
import { MeshError } from "../core/base/errors.ts";
import { readFileIfExists, writeFileAtomic } from "../io/files.ts";

const HEADER = /^mesh-agent 1 ([0-9a-f]{8})$/;

/** Writes the value durably, mode 0600. */
export function writeChecked(path: string, value: unknown): void {
  const json = JSON.stringify(value);
  writeFileAtomic(path, `mesh-agent 1 ${checksum(json)}\n${json}\n`);
}

/** The value, or undefined when there is no file. Throws STORAGE_CORRUPT. */
export function readChecked(path: string): unknown {
  const bytes = readFileIfExists(path);
  if (bytes === undefined) return undefined;
  const text = bytes.toString("utf8");
  const end = text.indexOf("\n");
  const json = text.slice(end + 1, -1);
  if (end < 0 || HEADER.exec(text.slice(0, end))?.[1] !== checksum(json) || !text.endsWith("\n")) {
    throw new MeshError("STORAGE_CORRUPT", `${path} is damaged: its checksum does not fit its content`, {
      fix: `restore it from a backup, or move it away: what it held must then be made again (mesh agent register …)`,
    });
  }
  return JSON.parse(json);
}

/** For caches: a damaged file is put aside as `<path>.damaged`, and nothing is what it held. */
export function readCache(path: string, warn: (message: string) => void): unknown {
  try {
    return readChecked(path);
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    warn(`${error.message}; it is a cache, so it is put aside and filled again`);
    renameSync(path, `${path}.damaged`);
    return undefined;
  }
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, "0");
