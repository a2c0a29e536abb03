import { MeshError } from "../core/base/errors.ts";
import { isNodeName, isTrustDomain } from "../core/model/spiffe.ts";
import { writeFileAtomic } from "../io/files.ts";
import { LEAF_TTL_MS_MAX } from "./authority.ts";
import { Closers } from "./closers.ts";
import { propose } from "./context.ts";
import { hostPort, openListeners, type Ports } from "./listeners.ts";
import type { RunningServer, ServerOptions } from "./options.ts";
import { openState, type ServerState } from "./state.ts";
import { createTicket } from "./tickets.ts";

export type { RunningServer, ServerOptions } from "./options.ts";

/** Starts a server; resolves once it serves and a leader exists. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  checkOptions(options);
  const closers = new Closers();
  try {
    const state = await openState(options, closers);
    const { context, managementToken } = state;
    context.raft.onFatal((error) => void stopFatally(options, closers, error));
    const ports = await openListeners(options, state, closers);
    // Agents that watch their node learn where the servers are.
    await propose(context, { type: "cluster.servers", servers: [hostPort(options.advertise, ports.grpc)] });
    const gossipKey = context.authority.gossipKey();
    writeReadyFile(options, state, ports);
    options.log.info({ node: options.node, trust_domain: state.trustDomain, ...ports }, "server ready");
    return {
      httpPort: ports.http,
      httpsPort: ports.https,
      grpcPort: ports.grpc,
      managementToken,
      gossipKey,
      createTicket: async (request) =>
        (await createTicket(context, [hostPort(options.advertise, ports.https)], request)).ticket,
      close: () => closers.close(),
    };
  } catch (error) {
    await closers.close();
    throw error;
  }
}

function checkOptions({ node, advertise, trustDomain, leafTtlMs }: ServerOptions): void {
  if (["", "0.0.0.0", "::"].includes(advertise)) {
    throw new MeshError("INVALID_CONFIG", `"${advertise}" is no address that other hosts can call`, {
      fix: "name one of this host's addresses: --advertise ADDRESS",
    });
  }
  if (!isNodeName(node)) {
    throw new MeshError("INVALID_CONFIG", `"${node}" cannot be a server's name`, {
      fix: "use letters, digits, dots, hyphens and underscores, 128 at most: --node NAME",
    });
  }
  if (trustDomain !== undefined && !isTrustDomain(trustDomain)) {
    throw new MeshError("INVALID_CONFIG", `"${trustDomain}" cannot be a trust domain`, {
      fix: "use dot-separated labels of lower case letters, digits and hyphens, 120 characters at most",
    });
  }
  if (leafTtlMs !== undefined && (leafTtlMs < 1_000 || leafTtlMs > LEAF_TTL_MS_MAX)) {
    throw new MeshError("INVALID_CONFIG", "leaf_ttl is not between 1s and 7d", { fix: "leave it out for 24h" });
  }
}

/** Pitfall 19: after a disk error nothing that this process says can be trusted; what is durable will be at restart. */
async function stopFatally(options: ServerOptions, closers: Closers, error: MeshError): Promise<void> {
  options.log.error({ code: error.code, fix: error.fix, where: error.where }, `the server stops: ${error.message}`);
  try {
    await closers.close();
  } catch (closing) {
    options.log.error({ err: closing }, "closing failed too");
  }
  if (options.onFatal === undefined) process.exit(1);
  options.onFatal(error);
}

/** For whoever started this server and waits for it: ports, and where the first secrets still are known, those. */
function writeReadyFile(options: ServerOptions, state: ServerState, ports: Ports): void {
  if (options.readyFile === undefined) return;
  const ready = {
    http: ports.http ?? null, https: ports.https, grpc: ports.grpc, dns: null, gossip: null, inbound: null,
    token: state.managementToken ?? null, gossip_key: state.context.authority.gossipKey(), pid: process.pid,
  };
  writeFileAtomic(options.readyFile, `${JSON.stringify(ready)}\n`);
}
