/** Records of the catalog as the servers hold them, the watch sends them and agents cache them. All JSON. */

export type CheckStatus = "passing" | "warning" | "critical";
export type Protocol = "http" | "tcp" | "auto";
export type Balance = "round_robin" | "least_request";

export interface NodeRecord {
  readonly name: string;
  /** Made once on the host, kept in its data folder: another host under the same name is a conflict. */
  readonly id: string;
  /** Where other hosts reach this one. */
  readonly address: string;
  /** The proxy's mTLS port there. */
  readonly inboundPort: number;
  readonly meta: Readonly<Record<string, string>>;
  /** `ns/service`, `ns/*` or `*`: what may be registered and certified here. Written by the server only. */
  readonly allow: readonly string[];
  /** Wall time of the last redemption of a ticket for this name: a certificate from before it is somebody else's. */
  readonly joinedAtMs?: number;
  /** No longer trusted: its certificate is refused and not renewed, nothing is registered on it. */
  readonly revoked?: boolean;
  readonly modifyIndex?: number;
  readonly createIndex?: number;
}

export interface InstanceRecord {
  readonly node: string;
  /** Unique on its node. */
  readonly id: string;
  readonly namespace: string;
  readonly service: string;
  /** The application's own address and port on its host; empty means the host's address. */
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly weights: { readonly passing: number; readonly warning: number };
  readonly draining: boolean;
  /** What it calls: `ns/name` keys; shown in the topology. */
  readonly upstreams: readonly string[];
  readonly modifyIndex?: number;
  readonly createIndex?: number;
}

export interface CheckRecord {
  readonly node: string;
  /** Unique on its node. */
  readonly id: string;
  readonly name: string;
  /** Empty: a check of the whole node. */
  readonly instanceId: string;
  readonly status: CheckStatus;
  readonly output: string;
  readonly type: string;
  readonly notes: string;
  readonly modifyIndex?: number;
  readonly createIndex?: number;
}

/** What a caller's host needs of one instance: the item of topic `service/<ns>/<name>`, keyed `<node>/<id>`. */
export interface EndpointRecord {
  readonly node: string;
  readonly id: string;
  readonly namespace: string;
  readonly service: string;
  /** The host's address and inbound port: where the tunnel goes. */
  readonly host: string;
  readonly inboundPort: number;
  readonly protocol: Protocol;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly weights: { readonly passing: number; readonly warning: number };
  readonly draining: boolean;
  /** Worst of the instance's and the node's checks. */
  readonly status: CheckStatus;
}

export interface RootRecord {
  readonly id: string;
  readonly pem: string;
  /** Signs now; the others are only trusted. */
  readonly active: boolean;
}

/** `mesh/v1` ServiceDefaults, spec part: the item of topic `defaults/<ns>/<name>`. */
export interface ServiceDefaults {
  readonly protocol?: Protocol;
  readonly balance?: Balance;
  readonly connectTimeoutMs?: number;
}

/** A configuration document as stored. */
export interface ResourceRecord {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly document: unknown;
  readonly modifyIndex?: number;
  readonly createIndex?: number;
}

/** A host's place in the mesh: item of topic `node/<name>`. */
export interface NodeTopicRecord {
  readonly allow: readonly string[];
  readonly trustDomain: string;
  readonly clusterId: string;
  /** gRPC addresses of the servers, `host:port`. */
  readonly servers: readonly string[];
}
