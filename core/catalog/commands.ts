import type { CheckRecord, InstanceRecord, ResourceRecord, RootRecord } from "../model/catalog.ts";
import { readShape } from "./shapes.ts";
import { decodeText, encodeText } from "./text.ts";

/**
 * Everything that can change the catalog. A command says what is to be, never how to find out: time, ids and random
 * numbers are made by the proposer and travel in it, so that each replica comes to the same state.
 */
export type Command =
  | ClusterBootstrap | ClusterServers
  | NodeUpsert | NodeDelete | NodeAllow | NodeDisallow | NodeRevoke | NodeSync
  | TicketCreate | TicketRedeem | TicketDelete
  | TokenCreate | TokenDelete
  | IntentionPut | IntentionDelete
  | ResourcePut | ResourceDelete | ResourceApply
  | RootAdd;

/** Makes the cluster; refused once one exists (a retry with the same cluster id succeeds). */
export interface ClusterBootstrap {
  readonly type: "cluster.bootstrap";
  readonly clusterId: string;
  readonly trustDomain: string;
  readonly root: { readonly id: string; readonly pem: string };
  readonly sealedCaKey: string;
  readonly sealedGossipKey: string;
  readonly managementToken: { readonly accessor: string; readonly secretHash: string };
}

/** Replaces the list of the servers' gRPC addresses that agents are told. */
export interface ClusterServers {
  readonly type: "cluster.servers";
  readonly servers: readonly string[];
}

/** What a host says of itself. */
export interface NodeInput {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly inboundPort: number;
  readonly meta: Readonly<Record<string, string>>;
}

/** Creates a node with an empty `allow`, or updates one and keeps it; another id under the name is CONFLICT. */
export interface NodeUpsert {
  readonly type: "node.upsert";
  readonly node: NodeInput;
}

/** Forgets a node with its instances and checks; missing is fine. */
export interface NodeDelete {
  readonly type: "node.delete";
  readonly name: string;
}

/** Adds to what the node may be. */
export interface NodeAllow {
  readonly type: "node.allow";
  readonly name: string;
  readonly allow: readonly string[];
}

/** Takes from what the node may be; its instances that are no longer covered go. */
export interface NodeDisallow {
  readonly type: "node.disallow";
  readonly name: string;
  readonly allow: readonly string[];
}

/** The host is no longer trusted: its instances go, its syncs are refused; a new ticket for the name lifts it. */
export interface NodeRevoke {
  readonly type: "node.revoke";
  readonly name: string;
}

/** One node's registrations, deregistrations and check results; `node` is who the caller's certificate names. */
export interface NodeSync {
  readonly type: "node.sync";
  readonly node: string;
  /** The node's own record, when it changed. */
  readonly record?: NodeInput;
  readonly instances: readonly InstanceRecord[];
  readonly checks: readonly CheckRecord[];
  readonly deleteInstances: readonly string[];
  readonly deleteChecks: readonly string[];
}

export interface TicketCreate {
  readonly type: "ticket.create";
  readonly id: string;
  readonly secretHash: string;
  readonly expMs: number;
  readonly role: "agent" | "server";
  readonly node?: string;
  readonly allow: readonly string[];
}

/**
 * Uses a ticket up and, for role agent, writes the node's record with the ticket's `allow`. The proposer has compared
 * the secret's hash before. The same node, id and key may repeat it; anybody else is refused.
 */
export interface TicketRedeem {
  readonly type: "ticket.redeem";
  readonly id: string;
  readonly node: string;
  readonly nodeId: string;
  readonly csrKeyHash: string;
  readonly address?: string;
  readonly inboundPort?: number;
}

export interface TicketDelete {
  readonly type: "ticket.delete";
  readonly id: string;
}

export interface TokenCreate {
  readonly type: "token.create";
  readonly accessor: string;
  readonly secretHash: string;
  readonly roles: readonly string[];
  readonly description: string;
  /** 0 or left out: never. */
  readonly expMs?: number;
}

/** The last management token that does not end by itself cannot be deleted. */
export interface TokenDelete {
  readonly type: "token.delete";
  readonly accessor: string;
}

export interface IntentionInput {
  /** Used when the pair is new; an existing intention of the same pair keeps its own. */
  readonly id: string;
  readonly source: { readonly namespace: string; readonly name: string };
  readonly destination: { readonly namespace: string; readonly name: string };
  readonly action: "allow" | "deny";
  readonly description: string;
  readonly meta: Readonly<Record<string, string>>;
}

/** Creates or replaces the intention of one (source, destination). */
export interface IntentionPut {
  readonly type: "intention.put";
  readonly intention: IntentionInput;
  /** Refuse with CONFLICT where the pair exists (Consul's POST). */
  readonly createOnly?: boolean;
}

/** By id, or by source and destination; missing is fine. */
export interface IntentionDelete {
  readonly type: "intention.delete";
  readonly id?: string;
  readonly source?: { readonly namespace: string; readonly name: string };
  readonly destination?: { readonly namespace: string; readonly name: string };
}

export type ResourceInput = Pick<ResourceRecord, "kind" | "namespace" | "name" | "document">;
export type ResourceKey = Pick<ResourceRecord, "kind" | "namespace" | "name">;

/** `cas`: refuse with CONFLICT unless the stored modify index is this (0: unless it is absent). */
export interface ResourcePut {
  readonly type: "resource.put";
  readonly resource: ResourceInput;
  readonly cas?: number;
}

export interface ResourceDelete {
  readonly type: "resource.delete";
  readonly resource: ResourceKey;
  readonly cas?: number;
}

/** A whole file of documents, all or nothing. */
export interface ResourceApply {
  readonly type: "resource.apply";
  readonly resources: readonly ResourceInput[];
  readonly intentions: readonly IntentionInput[];
}

/** Adds a root or changes it; an active one signs from now on and comes with its key. */
export interface RootAdd {
  readonly type: "ca.root.add";
  readonly root: RootRecord;
  readonly sealedCaKey?: string;
}

export interface CommandContext {
  /** A retry with the same id is applied once and answered alike; empty: no such protection. */
  readonly requestId: string;
  readonly nowMs: number;
  /** The token by which somebody asked for it: what it may do is looked at again where the command is applied. */
  readonly accessor?: string;
}

export interface Envelope extends CommandContext {
  readonly command: Command;
}

/** One log entry: UTF-8 JSON `{v, id, t, a?, c}`. */
export function encodeCommand(command: Command, { requestId, nowMs, accessor }: CommandContext): Uint8Array {
  return encodeText(JSON.stringify({ v: 1, id: requestId, t: nowMs, a: accessor, c: command }));
}

/** Undefined for bytes that are no command of this version: the entry is refused, the same on each replica. */
export function decodeCommand(bytes: Uint8Array): Envelope | undefined {
  const text = decodeText(bytes);
  if (text === undefined) return undefined;
  let parsed: { v?: unknown; id?: unknown; t?: unknown; a?: unknown; c?: unknown } | null;
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch {
    return undefined;
  }
  if (parsed?.v !== 1 || typeof parsed.id !== "string" || typeof parsed.t !== "number") return undefined;
  const { id: requestId, t: nowMs, a: accessor } = parsed;
  const command = readShape(parsed.c);
  if (command === undefined || (accessor !== undefined && typeof accessor !== "string")) return undefined;
  return { requestId, nowMs, command, ...(accessor === undefined ? {} : { accessor }) };
}
