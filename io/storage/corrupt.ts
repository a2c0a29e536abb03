import { MeshError } from "../../core/base/errors.ts";

/** The data on disk cannot be believed: names it, and says what to do. Never repaired, never served. */
export function corrupt(where: string, what: string, cause?: unknown): MeshError {
  const fix =
    "do not start it on this data again: restore the server's data folder from a backup, or, where other servers " +
    "live, remove this server from the cluster and join it anew with an empty folder";
  return new MeshError("STORAGE_CORRUPT", `the Raft log is damaged: ${what} (${where})`, { where, fix, cause });
}

/** The disk refused a write or a read. What was being written may or may not be there after a restart. */
export function storageFailed(where: string, what: string, cause: unknown): MeshError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const fix = "check the disk (space, errors in the kernel log, permissions) and start the server again";
  return new MeshError("STORAGE_FAILED", `${what}: ${reason} (${where})`, { where, fix, cause });
}
