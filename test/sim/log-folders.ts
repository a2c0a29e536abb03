/** Folders of log stores to be damaged: made, filled, opened and refused. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { MeshError } from "../../core/base/errors.ts";
import type { Entry, HardState, SnapshotMeta } from "../../core/raft/messages.ts";
import { LogStore, type Save } from "../../io/storage/log-store.ts";
import { encodeEntry } from "../../io/storage/records.ts";

const root = mkdtempSync(join(tmpdir(), "mesh-log-store-"));

export function removeFolders(): void {
  rmSync(root, { recursive: true, force: true });
}

let folders = 0;
export const newDir = (): string => join(root, `node-${folders++}`);
export const open = (dir: string): Promise<LogStore> => LogStore.open({ dir, nodeId: "a", bootstrap: true });

export function entry(index: number, term: number, text = `command ${index}`): Entry {
  return { index, term, type: "command", data: new Uint8Array(Buffer.from(text.padEnd(100, "."))) };
}

export function range(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, term));
}

export function save(entries: readonly Entry[], hard: Partial<HardState> = {}, snapshot?: SnapshotMeta): Save {
  return { entries, hardState: { term: entries.at(-1)?.term ?? 1, vote: "a", commit: 0, ...hard }, snapshot };
}

export const meta = (index: number, term: number): SnapshotMeta => ({ index, term, membership: { voters: ["a"] } });

/** A store with entries 1..count in batches of ten, closed. */
export async function written(count: number): Promise<string> {
  const dir = newDir();
  const store = await open(dir);
  for (let from = 1; from <= count; from += 10) await store.save(save(range(from, Math.min(from + 9, count), 1)));
  await store.close();
  return dir;
}

/** CRC of the last of these entries, which begin the log. */
export function encodeChain(entries: readonly Entry[]): number {
  return entries.reduce((crc, e) => encodeEntry(e, crc).crc, 0);
}

export async function refusal(dir: string): Promise<MeshError> {
  const store = await open(dir).catch((error: unknown) => error);
  if (store instanceof MeshError) return store;
  if (store instanceof LogStore) await store.close();
  throw new Error(`expected a refusal, got ${String(store)}`);
}

export async function expectCorrupt(dir: string, message: RegExp): Promise<void> {
  const error = await refusal(dir);
  expect(error.message).toMatch(message);
  expect(error.code).toBe("STORAGE_CORRUPT");
  expect(error.where).toContain(dir);
  expect(error.fix).toMatch(/backup|adopt-copy/);
}
