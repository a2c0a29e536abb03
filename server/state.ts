import { existsSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { MeshError } from "../core/base/errors.ts";
import { createCatalog } from "../core/catalog/catalog.ts";
import { DATACENTER } from "../core/catalog/consul-shapes.ts";
import { TelemetryStore } from "../core/telemetry/topology.ts";
import { LEAF_TTL_MS } from "../core/x509/issue.ts";
import { nodeCrypto } from "../io/crypto.ts";
import { ensureDir } from "../io/files.ts";
import { clusterOf, createAuthority } from "./authority.ts";
import { bearCluster } from "./birth.ts";
import type { Closers } from "./closers.ts";
import type { ServerContext } from "./context.ts";
import type { ServerOptions } from "./options.ts";
import { openRaftNode } from "./raft/node.ts";
import { RateLimiter } from "./rate-limit.ts";
import { loadSealKey, readBootstrapToken } from "./secrets.ts";

/** Hosts renew all their services' certificates at once after a day off: the burst; a stolen host gets no more. */
const SIGNING = { each: { burst: 200, perSecond: 5 }, all: { burst: 2_000, perSecond: 200 } };

export type FullContext = ServerContext & { readonly signing: RateLimiter };

export interface ServerState {
  readonly context: FullContext;
  readonly trustDomain: string;
  readonly managementToken: string | undefined;
}

/** Opens the log and the catalog that it feeds; makes the cluster where there is none and the options say so. */
export async function openState(options: ServerOptions, closers: Closers): Promise<ServerState> {
  const { node, dataDir, bootstrap, log, showToken } = options;
  const nowMs = options.nowMs ?? Date.now;
  ensureDir(dataDir, 0o700);
  const isNew = !existsSync(join(dataDir, "raft"));
  if (isNew && !bootstrap) throw noCluster(dataDir);
  const sealKey = loadSealKey({ dataDir, credential: options.sealKeyCredential }, { create: isNew });
  if (sealKey === undefined) {
    const path = join(dataDir, "seal.key");
    throw new MeshError("INVALID_CONFIG", `${path} is missing: the cluster's keys cannot be opened`, {
      fix: "restore it from a backup, or from another server of this cluster (mode 0600)",
    });
  }
  const catalog = createCatalog();
  const raft = await openRaftNode({ dataDir, nodeId: node, fsm: catalog, log, bootstrap });
  closers.add(async () => {
    // A close in the very turn in which a read was answered would come between the node's checks and not be noticed.
    await nextTurn();
    await raft.close();
  });
  await raft.readIndex();
  let born: string | undefined;
  if (catalog.cluster() === undefined) {
    if (!bootstrap) throw noCluster(dataDir);
    const { trustDomain } = options;
    born = await bearCluster({ raft, dataDir, sealKey, trustDomain, showToken, log, nowMs });
  }
  const { trustDomain } = clusterOf(catalog);
  if (options.trustDomain !== undefined && options.trustDomain !== trustDomain) {
    throw new MeshError("INVALID_CONFIG", `this cluster's trust domain is ${trustDomain}, not ${options.trustDomain}`, {
      fix: "leave --trust-domain out, or begin a new cluster in another data folder",
    });
  }
  const leafTtlMs = options.leafTtlMs ?? LEAF_TTL_MS;
  const context: FullContext = {
    node, catalog, raft, log, nowMs,
    datacenter: DATACENTER,
    authority: createAuthority({ catalog, crypto: nodeCrypto, sealKey, nowMs, leafTtlMs }),
    telemetry: new TelemetryStore(),
    random: Math.random,
    signing: new RateLimiter({ ...SIGNING, nowMs: () => performance.now() }),
  };
  return { context, trustDomain, managementToken: born ?? readBootstrapToken(dataDir) };
}

const noCluster = (dataDir: string): MeshError =>
  new MeshError("INVALID_CONFIG", `${dataDir} holds no cluster`, {
    fix: "start the first server with --bootstrap (joining more servers is not offered by this version)",
  });
