/**
 * Who this host is: an id made once, a key that never leaves it, the certificate that its ticket bought, and what the
 * servers said about the cluster then. Joining stores the key before it asks, so that a lost reply is asked for again
 * with the same key, which the servers accept (a ticket is otherwise good for one host only).
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { MeshError } from "../core/base/errors.ts";
import { ensureDir, readFileIfExists, removeFile, writeFileAtomic } from "../io/files.ts";
import { nodeCrypto } from "../io/crypto.ts";
import { readChecked, writeChecked } from "./checked-file.ts";

export interface NodeCredentials {
  readonly node: string;
  readonly trustDomain: string;
  readonly clusterId: string;
  readonly chainPem: string;
  readonly keyPem: string;
  readonly rootsPem: readonly string[];
  readonly gossipKey: string;
  /** `host:port` of the servers' gRPC. */
  readonly servers: readonly string[];
  /** `host:port` of the servers' HTTPS, as the ticket named them: where an expired certificate is renewed. */
  readonly httpsServers: readonly string[];
  /** The ticket that was redeemed: another one is a wish to join anew. */
  readonly ticketId: string;
}

const FILE = "node.json";
const PENDING = "node-key.json";

/** The host's id, made at its first start. */
export function loadNodeId(dataDir: string): string {
  ensureDir(dataDir, 0o700);
  const path = join(dataDir, "node-id");
  const known = readFileIfExists(path)?.toString("utf8").trim();
  if (known !== undefined && /^[0-9a-f-]{8,64}$/.test(known)) return known;
  if (known !== undefined) {
    throw new MeshError("STORAGE_CORRUPT", `${path} holds no node id`, {
      fix: "restore it from a backup, or move the data folder away and join the host under a new name",
    });
  }
  const id = randomUUID();
  writeFileAtomic(path, `${id}\n`);
  return id;
}

/** Undefined before the host has joined. Throws when the folder belongs to another node name. */
export function loadCredentials(dataDir: string, node: string): NodeCredentials | undefined {
  const stored = readChecked(join(dataDir, FILE)) as NodeCredentials | undefined;
  if (stored !== undefined && stored.node !== node) {
    throw new MeshError("INVALID_CONFIG", `${dataDir} belongs to node "${stored.node}", not "${node}"`, {
      fix: `start with --node ${stored.node}, or choose another --data-dir`,
    });
  }
  return stored;
}

export function storeCredentials(dataDir: string, credentials: NodeCredentials): void {
  writeChecked(join(dataDir, FILE), credentials);
  removeFile(join(dataDir, PENDING));
}

/** The key that the next certificate is for; the same one until a certificate for it was stored. */
export function pendingKey(dataDir: string): { readonly keyPem: string; readonly spkiDer: Uint8Array } {
  const path = join(dataDir, PENDING);
  const known = readChecked(path) as { keyPem: string; spki: string } | undefined;
  if (known !== undefined) return { keyPem: known.keyPem, spkiDer: Buffer.from(known.spki, "base64") };
  const pair = nodeCrypto.generateKeyPair("ec-p256");
  writeChecked(path, { keyPem: pair.privateKeyPem, spki: Buffer.from(pair.spkiDer).toString("base64") });
  return { keyPem: pair.privateKeyPem, spkiDer: pair.spkiDer };
}
