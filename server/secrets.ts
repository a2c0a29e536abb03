import { createHash, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { MeshError } from "../core/base/errors.ts";
import { readFileIfExists, writeFileAtomic } from "../io/files.ts";

/** Secrets that lie in a server's data folder, each in a file of mode 0600. */

const SEAL_KEY_BYTES = 32;

/** The cluster's seal key. Made when there is none and `create` says so; undefined when there is none otherwise. */
export function loadSealKey(dataDir: string, { create }: { create: boolean }): Uint8Array | undefined {
  const path = join(dataDir, "seal.key");
  const text = readFileIfExists(path)?.toString().trim();
  if (text !== undefined) {
    const key = Buffer.from(text, "base64");
    if (key.length === SEAL_KEY_BYTES) return key;
    throw new MeshError("INVALID_CONFIG", `${path} does not hold the base64 of ${SEAL_KEY_BYTES} bytes`, {
      fix: "restore it from a backup, or from another server of this cluster",
    });
  }
  if (!create) return undefined;
  const key = randomBytes(SEAL_KEY_BYTES);
  writeFileAtomic(path, `${key.toString("base64")}\n`);
  return key;
}

export const bootstrapTokenPath = (dataDir: string): string => join(dataDir, "bootstrap-token");

export const readBootstrapToken = (dataDir: string): string | undefined =>
  readFileIfExists(bootstrapTokenPath(dataDir))?.toString().trim();

export const writeBootstrapToken = (dataDir: string, token: string): void =>
  writeFileAtomic(bootstrapTokenPath(dataDir), `${token}\n`);

export const removeBootstrapToken = (dataDir: string): void => rmSync(bootstrapTokenPath(dataDir), { force: true });

/** How a token or a ticket's secret is stored: they have 122 random bits or more, so a plain digest is enough. */
export const secretHash = (secret: string): string => createHash("sha256").update(secret).digest("hex");
