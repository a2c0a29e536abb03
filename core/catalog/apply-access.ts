import { DAY_MS } from "../base/time.ts";
import { ok, refuse, write } from "./apply-context.ts";
import type { ApplyContext } from "./apply-context.ts";
import { nodeConflict, writeNode } from "./apply-nodes.ts";
import type {
  ClusterBootstrap, ClusterServers, RootAdd, TicketCreate, TicketDelete, TicketRedeem, TokenCreate, TokenDelete,
} from "./commands.ts";
import type { ApplyRefused, ApplyResult, ClusterRecord, TicketRecord, TokenRecord } from "./records.ts";
import { byText } from "./table.ts";

/** The key of the single row of table `cluster`. */
export const CLUSTER_KEY = "cluster";
/** Beyond it the expired ones are cleared away, and where none is, a new one is refused. */
export const MAX_TICKETS = 16_384;
const MANAGEMENT = "management";

export function clusterBootstrap(context: ApplyContext, command: ClusterBootstrap): ApplyResult {
  const { state, nowMs, index } = context;
  const old = state.cluster.get(CLUSTER_KEY);
  if (old !== undefined) {
    if (old.clusterId === command.clusterId) return ok(context);
    return refuse("CONFLICT", `cluster ${old.clusterId} exists already`, "start this server without --bootstrap");
  }
  const cluster: ClusterRecord = {
    clusterId: command.clusterId,
    trustDomain: command.trustDomain,
    sealedCaKey: command.sealedCaKey,
    sealedGossipKey: command.sealedGossipKey,
    servers: [],
    createdAtMs: nowMs,
  };
  write(context, state.cluster, [CLUSTER_KEY, cluster]);
  state.roots.put(command.root.id, { id: command.root.id, pem: command.root.pem, active: true });
  const { accessor, secretHash } = command.managementToken;
  state.tokens.put(accessor, {
    accessor, secretHash, roles: [MANAGEMENT], description: "made with the cluster", createdAtMs: nowMs, expMs: 0,
    createIndex: index, modifyIndex: index,
  });
  return ok(context);
}

const noCluster = (): ApplyResult => refuse("CONFLICT", "there is no cluster yet", "start a server with --bootstrap");

export function clusterServers(context: ApplyContext, command: ClusterServers): ApplyResult {
  const old = context.state.cluster.get(CLUSTER_KEY);
  if (old === undefined) return noCluster();
  const servers = [...new Set(command.servers)].sort(byText);
  write(context, context.state.cluster, [CLUSTER_KEY, { ...old, servers }]);
  return ok(context);
}

export function rootAdd(context: ApplyContext, command: RootAdd): ApplyResult {
  const { state } = context;
  const cluster = state.cluster.get(CLUSTER_KEY);
  if (cluster === undefined) return noCluster();
  const active = command.root.active;
  if (active && command.sealedCaKey === undefined && state.roots.get(command.root.id)?.active !== true) {
    return refuse("INVALID", "an active root must come with its sealed key");
  }
  if (active) {
    for (const root of state.roots.sorted()) {
      if (root.active && root.id !== command.root.id) state.roots.put(root.id, { ...root, active: false });
    }
    if (command.sealedCaKey !== undefined) {
      write(context, state.cluster, [CLUSTER_KEY, { ...cluster, sealedCaKey: command.sealedCaKey }]);
    }
  }
  state.roots.put(command.root.id, { id: command.root.id, pem: command.root.pem, active });
  return ok(context);
}

export function tokenCreate(context: ApplyContext, command: TokenCreate): ApplyResult {
  const { state, nowMs } = context;
  const { accessor, secretHash, roles, description, expMs = 0 } = command;
  if (state.tokens.get(accessor) !== undefined || state.tokenAccessors.has(secretHash)) {
    return refuse("CONFLICT", `token ${accessor} exists already`, "create it under another accessor and secret");
  }
  const token: TokenRecord = { accessor, secretHash, roles, description, createdAtMs: nowMs, expMs };
  write(context, state.tokens, [accessor, token]);
  return ok(context);
}

export function tokenDelete(context: ApplyContext, { accessor }: TokenDelete): ApplyResult {
  const { state } = context;
  // One that ends by itself keeps nobody from being locked out, only from noticing at once.
  const lasting = (t: TokenRecord): boolean =>
    t.roles.includes(MANAGEMENT) && t.expMs === 0 && t.accessor !== accessor;
  if (state.tokens.get(accessor)?.roles.includes(MANAGEMENT) === true && ![...state.tokens.values()].some(lasting)) {
    return refuse("CONFLICT", "this is the last lasting management token: without it nobody could manage the mesh",
      "create another first: mesh acl token create --role management");
  }
  state.tokens.delete(accessor);
  return ok(context);
}

export function ticketCreate(context: ApplyContext, command: TicketCreate): ApplyResult {
  const { state, nowMs } = context;
  if (state.tickets.get(command.id) !== undefined) return refuse("CONFLICT", `ticket ${command.id} exists already`);
  if (state.tickets.size >= MAX_TICKETS) {
    for (const ticket of state.tickets.sorted()) if (ticket.expMs <= nowMs) state.tickets.delete(ticket.id);
    if (state.tickets.size >= MAX_TICKETS) {
      return refuse("LIMITED", `${MAX_TICKETS} tickets are open`, "delete some: mesh acl ticket list, delete");
    }
  }
  const { id, secretHash, expMs, role, node = "", allow } = command;
  const ticket: TicketRecord = { id, secretHash, expMs, role, node, allow, createdAtMs: nowMs };
  write(context, state.tickets, [id, ticket]);
  return ok(context, { ticket });
}

export function ticketDelete(context: ApplyContext, { id }: TicketDelete): ApplyResult {
  context.state.tickets.delete(id);
  return ok(context);
}

/** A lost reply is asked for again within this time, or by a new ticket. */
const REDEEM_AGAIN_MS = DAY_MS;

/**
 * A used ticket yields a new certificate, so it must not outlive what it was for: a host that was revoked, or whose
 * name another one has taken since, still holds its ticket and its key.
 */
function redeemAgain(context: ApplyContext, ticket: TicketRecord, command: TicketRedeem): ApplyResult {
  const used = ticket.redeemed!;
  const same = used.node === command.node && used.nodeId === command.nodeId && used.csrKeyHash === command.csrKeyHash;
  if (!same) return refuse("INVALID_TICKET", `the ticket was used by node "${used.node}"`);
  const node = context.state.nodes.get(used.node);
  const current = ticket.role === "server"
    || (node?.id === used.nodeId && node.revoked !== true && node.joinedAtMs === used.atMs);
  if (current && context.nowMs < used.atMs + REDEEM_AGAIN_MS) return ok(context, { ticket });
  return refuse("INVALID_TICKET", `the ticket was used, and is not good for node "${used.node}" any more`);
}

/** A host's id is no secret: who takes over its name, and with it all that it may be, needs a ticket for that name. */
function joinConflict(context: ApplyContext, ticket: TicketRecord, command: TicketRedeem): ApplyRefused | undefined {
  const conflict = nodeConflict(context, command.node, command.nodeId);
  const old = context.state.nodes.get(command.node);
  if (conflict !== undefined || old === undefined || old.revoked === true || ticket.node === old.name) return conflict;
  return refuse("CONFLICT", `node "${old.name}" is in the mesh already, and the ticket is not made out to it`,
    `to join it again: mesh acl ticket create --node ${old.name}`);
}

/** Single use; a lost reply may be asked for again by the same host with the same key, even after the expiry. */
export function ticketRedeem(context: ApplyContext, command: TicketRedeem): ApplyResult {
  const { state, nowMs } = context;
  const ticket = state.tickets.get(command.id);
  if (ticket === undefined) return refuse("INVALID_TICKET", "the ticket is unknown");
  if (ticket.redeemed !== undefined) return redeemAgain(context, ticket, command);
  if (ticket.expMs <= nowMs) return refuse("INVALID_TICKET", "the ticket has expired");
  if (ticket.node !== "" && ticket.node !== command.node) {
    return refuse("INVALID_TICKET", `the ticket is for node "${ticket.node}", not "${command.node}"`,
      `join as --node ${ticket.node}, or create a ticket for ${command.node}`);
  }
  const conflict = ticket.role === "agent" ? joinConflict(context, ticket, command) : undefined;
  if (conflict !== undefined) return conflict;
  const redeemed = {
    node: command.node, nodeId: command.nodeId, csrKeyHash: command.csrKeyHash, atMs: nowMs,
  };
  const written = write(context, state.tickets, [ticket.id, { ...ticket, redeemed }]);
  if (ticket.role === "server") return ok(context, { ticket: written });
  const old = state.nodes.get(command.node);
  const input = {
    name: command.node,
    id: command.nodeId,
    address: command.address ?? old?.address ?? "",
    inboundPort: command.inboundPort ?? old?.inboundPort ?? 0,
    meta: old?.meta ?? {},
  };
  return ok(context, { ticket: written, node: writeNode(context, input, ticket.allow) });
}
