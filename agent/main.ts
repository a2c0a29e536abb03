/**
 * A host's agent, from top to bottom: the lock on its folder, who the host is (joining the mesh if it has not yet), its
 * parts, its API's doors, its services, its proxy. It is ready when the proxy accepts; servers may still be away.
 */
import { MeshError } from "../core/base/errors.ts";
import { parseTicket } from "../core/model/ticket.ts";
import { createApiServer } from "../io/api/router.ts";
import { writeFileAtomic } from "../io/files.ts";
import { Agent, boundInboundPort } from "./agent.ts";
import { agentRoutes, fallback } from "./api/routes.ts";
import { loadCredentials, loadNodeId, storeCredentials, type NodeCredentials } from "./credentials.ts";
import { lockFolder } from "./folder-lock.ts";
import { joinCluster } from "./join.ts";
import { createMetricsPage } from "./metrics.ts";
import { logged } from "./reasons.ts";
import { apiSocketPath, checkOptions, type AgentOptions } from "./options.ts";

export type { AgentOptions } from "./options.ts";

export interface RunningAgent {
  readonly httpPort: number;
  readonly inboundPort: number;
  /** The API's unix socket. */
  readonly socketPath: string;
  /** Stops restarting the proxy first, lets it finish, then leaves; registrations stay in the catalog. */
  close(): Promise<void>;
}

const PROXY_READY_MS = 20_000;
const JOIN_MS = 20_000;
const GRACE_MS = 3_000;

/** Rejects with what stands in the way: no ticket, a port in use, a damaged folder, a wrong service file. */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  checkOptions(options);
  const cleanups: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const clean of cleanups.splice(0).toReversed()) await clean();
  };
  try {
    cleanups.push(lockFolder(options.dataDir));
    const nodeId = loadNodeId(options.dataDir);
    const credentials = await credentialsOf(options, nodeId);
    const agent = new Agent(options, nodeId, credentials);
    cleanups.push(() => agent.close());

    const page = createMetricsPage(agent);
    const api = { routes: agentRoutes(agent, page), fallback: fallback(agent), log: options.log };
    const overTcp = createApiServer(api);
    const overUnix = createApiServer(api);
    cleanups.push(() => page.close());
    const socketPath = apiSocketPath(options);
    await overUnix.listen({ path: socketPath, mode: 0o660 });
    cleanups.push(() => overUnix.close());
    const http = await overTcp.listen(options.http);
    cleanups.push(() => overTcp.close());

    agent.reload();
    await agent.control.listen();
    cleanups.push(() => agent.control.close());
    agent.supervisor.start();
    cleanups.push(() => agent.supervisor.stop(GRACE_MS));
    await proxyReady(agent);

    const ports = { httpPort: http.port, inboundPort: agent.inboundPort() };
    writeReadyFile(options, ports, socketPath);
    options.log.info({ node: options.node, ...ports, socket: socketPath }, "agent ready");
    return { ...ports, socketPath, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What the data folder holds; a ticket that was not redeemed before joins (anew). */
async function credentialsOf(options: AgentOptions, nodeId: string): Promise<NodeCredentials> {
  const known = loadCredentials(options.dataDir, options.node);
  const { ticket, dataDir, node, log } = options;
  if (ticket === undefined && known === undefined) {
    throw new MeshError("INVALID_CONFIG", `${dataDir} holds no node certificate, and there is no ticket`, {
      fix: `create a ticket on a server (mesh acl ticket create --node ${node}) and start with --ticket-file`,
    });
  }
  if (known !== undefined && (ticket === undefined || parseTicket(ticket).id === known.ticketId)) return known;
  try {
    return await redeemTicket(options, ticket!, nodeId);
  } catch (error) {
    if (known === undefined) throw error;
    log.warn(logged(error), "the new ticket was not redeemed, this host goes on with the certificate that it has");
    return known;
  }
}

async function redeemTicket(options: AgentOptions, ticket: string, nodeId: string): Promise<NodeCredentials> {
  const { dataDir, node, advertise, inboundPort, log } = options;
  const signal = AbortSignal.timeout(JOIN_MS);
  const credentials = await joinCluster({ ticket, dataDir, node, nodeId, advertise, inboundPort, log, signal });
  storeCredentials(dataDir, credentials);
  log.info({ cluster: credentials.clusterId, trustDomain: credentials.trustDomain }, "this host has joined the mesh");
  return credentials;
}

/** Waits for the first snapshot in force. Throws ADDRESS_IN_USE, or what the proxy said, or that it did not come up. */
async function proxyReady(agent: Agent): Promise<void> {
  const { control, supervisor } = agent;
  const signal = AbortSignal.timeout(PROXY_READY_MS);
  for (;;) {
    const { ackedVersion, listeners, nack } = control.status();
    const failed = listeners.find(({ key, error }) => key === "inbound" && error !== "");
    if (failed !== undefined) {
      const code = failed.error.includes("EADDRINUSE") ? "ADDRESS_IN_USE" : "INVALID_CONFIG";
      throw new MeshError(code, `the inbound port cannot be opened: ${failed.error}`);
    }
    if (ackedVersion > 0 && boundInboundPort(control) !== undefined) return;
    if (signal.aborted) {
      const reason = nack !== "" ? nack : supervisor.status().lastExit;
      throw new MeshError("INTERNAL", `the proxy did not become ready: ${reason || "no sign of it"}`, {
        fix: "its own messages, above, say more",
      });
    }
    await agent.nextChange(signal);
  }
}

function writeReadyFile(
  options: AgentOptions, ports: { httpPort: number; inboundPort: number }, socket: string,
): void {
  if (options.readyFile === undefined) return;
  const ready = {
    http: ports.httpPort, inbound: ports.inboundPort, grpc: null, dns: null, gossip: null, socket, node: options.node,
    pid: process.pid,
  };
  writeFileAtomic(options.readyFile, `${JSON.stringify(ready)}\n`);
}
