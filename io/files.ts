/**
 * Files that must survive a power cut. A write goes to another name in the same folder, is synced, takes the old name's
 * place in one rename, and then the folder is synced: a reader sees the old content or the new one, never a mix.
 */
import {
  closeSync, fchmodSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync,
} from "node:fs";
import { dirname } from "node:path";

let nextSuffix = 0;

/** Replaces `path` atomically and durably; blocks until it is on disk. Default mode 0600. Throws the system's error. */
export function writeFileAtomic(path: string, data: string | Uint8Array, options: { mode?: number } = {}): void {
  const mode = options.mode ?? 0o600;
  const temporary = `${path}.${process.pid}.${nextSuffix++}.tmp`;
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  const fd = openSync(temporary, "wx", mode);
  try {
    try {
      // The umask may have narrowed the mode that open was given.
      fchmodSync(fd, mode);
      let written = 0;
      while (written < bytes.length) written += writeSync(fd, bytes, written);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncDir(dirname(path));
}

/** Makes renames and removals in a folder durable. */
export function syncDir(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The file's bytes, or undefined when there is none; every other error is thrown. */
export function readFileIfExists(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Makes the folder (and its parents) with exactly this mode; an existing one is left with the mode it has. */
export function ensureDir(path: string, mode = 0o700): void {
  if (mkdirSync(path, { recursive: true, mode }) === undefined && !statSync(path).isDirectory()) {
    throw new Error(`${path} is not a folder`);
  }
}

/** Removes a file durably; none there is fine. */
export function removeFile(path: string): void {
  rmSync(path, { force: true });
  syncDir(dirname(path));
}
