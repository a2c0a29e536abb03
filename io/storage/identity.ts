import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { readFileIfExists, writeFileAtomic } from "../files.ts";
import { corrupt } from "./corrupt.ts";

/**
 * Whose log this folder holds. Written last at birth: a folder without it was never finished. The log database holds
 * the same record, so that a log put beside another node's identity is noticed.
 */
export interface Identity {
  readonly nodeId: string;
  /** Made at the birth of this folder's log; another birth under the same name has another one. */
  readonly birth: string;
  /** Who counts at index 0: this node alone where the group begins, nobody where it waits to be added. */
  readonly voters: readonly string[];
}

export function newIdentity(nodeId: string, bootstrap: boolean): Identity {
  return { nodeId, birth: randomBytes(16).toString("hex"), voters: bootstrap ? [nodeId] : [] };
}

export function writeIdentity(path: string, identity: Identity): void {
  const text = JSON.stringify(identity);
  writeFileAtomic(path, `${text}\n${crc32(text).toString(16)}\n`);
}

/** Undefined when there is none; throws STORAGE_CORRUPT when it is damaged. */
export function readIdentity(path: string): Identity | undefined {
  const file = readFileIfExists(path)?.toString("utf8");
  if (file === undefined) return undefined;
  const [text, sum] = file.split("\n");
  if (text === undefined || sum !== crc32(text).toString(16)) {
    throw corrupt(path, "the checksum of its identity file does not match");
  }
  return JSON.parse(text) as Identity;
}
