import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createSealKey, parseSealKey } from "../core/ca/sealing.ts";
import { nodeCrypto } from "../io/crypto.ts";
import { readFileIfExists, writeFileAtomic } from "../io/files.ts";

/** Secrets that lie in a server's data folder, each in a file of mode 0600. */

export interface SealKeyPlace {
  readonly dataDir: string;
  /** A file that the service manager hands over (systemd's LoadCredential=); it goes before the data folder's. */
  readonly credential: string | undefined;
}

/** The cluster's seal key. Made when there is none and `create` says so; undefined when there is none otherwise. */
export function loadSealKey(place: SealKeyPlace, { create }: { create: boolean }): Uint8Array | undefined {
  const path = join(place.dataDir, "seal.key");
  const handed = place.credential === undefined ? undefined : readFileIfExists(place.credential);
  const text = (handed ?? readFileIfExists(path))?.toString();
  if (text !== undefined) return parseSealKey(text);
  if (!create) return undefined;
  const made = createSealKey(nodeCrypto);
  writeFileAtomic(path, made);
  return parseSealKey(made);
}

export const bootstrapTokenPath = (dataDir: string): string => join(dataDir, "bootstrap-token");

export const readBootstrapToken = (dataDir: string): string | undefined =>
  readFileIfExists(bootstrapTokenPath(dataDir))?.toString().trim();

export const writeBootstrapToken = (dataDir: string, token: string): void =>
  writeFileAtomic(bootstrapTokenPath(dataDir), `${token}\n`);

export const removeBootstrapToken = (dataDir: string): void => rmSync(bootstrapTokenPath(dataDir), { force: true });

/** How a token or a ticket's secret is stored: they have 122 random bits or more, so a plain digest is enough. */
export const secretHash = (secret: string): string => createHash("sha256").update(secret).digest("hex");
