import { randomBytes, randomUUID } from "node:crypto";
import { sealSecret } from "../core/ca/sealing.ts";
import { createRoot } from "../core/x509/issue.ts";
import { nodeCrypto } from "../io/crypto.ts";
import type { Logger } from "../io/logger.ts";
import { propose } from "./context.ts";
import type { RaftNode } from "./raft/node.ts";
import {
  bootstrapTokenPath, readBootstrapToken, removeBootstrapToken, secretHash, writeBootstrapToken,
} from "./secrets.ts";

/*
 * The birth of a cluster: its id, root, gossip key and management token, made once by the one server that was started
 * with --bootstrap, as the first entry of the log. The catalog gets the keys sealed and the token hashed.
 */

export interface BirthOptions {
  readonly raft: RaftNode;
  readonly dataDir: string;
  readonly sealKey: Uint8Array;
  /** `<cluster id>.mesh` when left out. */
  readonly trustDomain: string | undefined;
  /** Shows the management token to a person; without it the token goes to a file and its path to the log. */
  readonly showToken: ((token: string) => void) | undefined;
  readonly log: Logger;
  readonly nowMs: () => number;
}

/** Makes the cluster; returns its management token. */
export async function bearCluster(options: BirthOptions): Promise<string> {
  const { raft, dataDir, sealKey, log, nowMs } = options;
  const clusterId = randomUUID();
  const trustDomain = options.trustDomain ?? `${clusterId}.mesh`;
  // Written before the cluster exists: a crash in between must not lose the only token. A left-over one is used.
  const token = readBootstrapToken(dataDir) ?? randomUUID();
  writeBootstrapToken(dataDir, token);
  const root = createRoot(nodeCrypto, { trustDomain, nowMs: nowMs() });
  const seal = (what: "ca-key" | "gossip-key", text: string): string =>
    sealSecret(nodeCrypto, sealKey, { what, clusterId, text });
  await propose({ raft, nowMs }, {
    type: "cluster.bootstrap",
    clusterId,
    trustDomain,
    root: { id: root.id, pem: root.certPem },
    sealedCaKey: seal("ca-key", root.privateKeyPem),
    sealedGossipKey: seal("gossip-key", randomBytes(32).toString("base64")),
    managementToken: { accessor: randomUUID(), secretHash: secretHash(token) },
  });
  log.info({ cluster: clusterId, trust_domain: trustDomain }, "the cluster was made");
  if (options.showToken === undefined) {
    const path = bootstrapTokenPath(dataDir);
    log.info({ path }, "the management token was written to a file: keep it, then delete the file");
  } else {
    options.showToken(token);
    removeBootstrapToken(dataDir);
  }
  return token;
}
