import type { CheckRecord, InstanceRecord, NodeRecord, ResourceRecord, RootRecord } from "../model/catalog.ts";
import type { Intention } from "../model/intention.ts";

/** The one row about the cluster itself; secrets in it are sealed under the cluster's seal key. */
export interface ClusterRecord {
  readonly clusterId: string;
  readonly trustDomain: string;
  /** Base64 of AES-256-GCM ciphertext. */
  readonly sealedCaKey: string;
  readonly sealedGossipKey: string;
  /** gRPC addresses of the servers, `host:port`, sorted. */
  readonly servers: readonly string[];
  readonly createdAtMs: number;
  readonly modifyIndex?: number;
  readonly createIndex?: number;
}

/** A token as stored: the secret itself is shown once to its maker and kept nowhere. */
export interface TokenRecord {
  readonly accessor: string;
  /** Hex SHA-256 of the secret. */
  readonly secretHash: string;
  /** `management`, `write:<ns>`, `read:<ns>`. */
  readonly roles: readonly string[];
  readonly description: string;
  readonly createdAtMs: number;
  /** 0: never. */
  readonly expMs: number;
  readonly modifyIndex?: number;
  readonly createIndex?: number;
}

export type TicketRole = "agent" | "server";

/** Who used a ticket; only the same key may use it again. */
export interface Redemption {
  readonly node: string;
  readonly nodeId: string;
  readonly csrKeyHash: string;
  readonly atMs: number;
}

export interface TicketRecord {
  readonly id: string;
  readonly secretHash: string;
  readonly expMs: number;
  readonly role: TicketRole;
  /** Empty: for any node name. */
  readonly node: string;
  readonly allow: readonly string[];
  readonly createdAtMs: number;
  readonly redeemed?: Redemption;
  readonly modifyIndex?: number;
  readonly createIndex?: number;
}

/** One address of 240.0.0.0/4 per service, from its first registration on. */
export interface VirtualIpRecord {
  readonly namespace: string;
  readonly service: string;
  readonly ip: string;
  readonly createIndex?: number;
}

/** A name in the list of services. */
export interface ServiceSummary {
  readonly namespace: string;
  readonly name: string;
  /** Sorted union over its instances. */
  readonly tags: readonly string[];
  readonly instances: number;
  readonly passing: number;
  readonly warning: number;
  readonly critical: number;
  readonly virtualIp: string;
}

/** An instance or check of a sync that was not taken; the rest was. */
export interface Refusal {
  readonly id: string;
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

export interface ApplyOk {
  readonly ok: true;
  readonly index: number;
  /** Of `node.sync`. */
  readonly refusals?: readonly Refusal[];
  /** Of `ticket.redeem`. */
  readonly ticket?: TicketRecord;
  /** Of `intention.put` and `intention.delete`. */
  readonly intention?: Intention;
  /** Of `node.upsert`, `node.allow`, `node.disallow` and `node.revoke`. */
  readonly node?: NodeRecord;
}

export interface ApplyRefused {
  readonly ok: false;
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

/** What `apply` answers; plain JSON, since it is remembered for retries and travels in snapshots. */
export type ApplyResult = ApplyOk | ApplyRefused;

/** Rows of each table, by the table's name. */
export interface TableRows {
  readonly cluster: ClusterRecord;
  readonly nodes: NodeRecord;
  readonly instances: InstanceRecord;
  readonly checks: CheckRecord;
  readonly resources: ResourceRecord;
  readonly intentions: Intention;
  readonly roots: RootRecord;
  readonly vips: VirtualIpRecord;
  readonly tokens: TokenRecord;
  readonly tickets: TicketRecord;
}
