import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { MeshError } from "../core/base/errors.ts";
import { tryLock } from "../io/ffi.ts";
import { ensureDir } from "../io/files.ts";

/** Keeps a second agent off the data folder; the result releases it. Throws CONFLICT. */
export function lockFolder(dataDir: string): () => void {
  ensureDir(dataDir, 0o700);
  const fd = openSync(join(dataDir, "lock"), "a", 0o600);
  if (tryLock(fd)) return () => closeSync(fd);
  closeSync(fd);
  throw new MeshError("CONFLICT", `another agent uses the data folder ${dataDir}`, {
    fix: "stop it first, or start this one with another --data-dir",
  });
}
