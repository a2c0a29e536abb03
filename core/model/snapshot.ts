import type { Balance, Protocol } from "./catalog.ts";
import type { Intention } from "./intention.ts";

/**
 * Everything a proxy runs on, compiled by the agent, whole in each push (JSON). Lists are sorted by key, so that equal
 * inputs give equal bytes. Validated by hand in the proxy, which trusts only its agent's socket.
 */
export interface ProxySnapshot {
  readonly version: number;
  readonly node: string;
  readonly trustDomain: string;
  readonly rootsPem: readonly string[];
  readonly inbound: { readonly host: string; readonly port: number };
  readonly identities: readonly IdentityConfig[];
  readonly locals: readonly LocalServiceConfig[];
  readonly outbounds: readonly OutboundConfig[];
}

/** The certificate of one local service; keyed by `ns/name`. */
export interface IdentityConfig {
  readonly service: string;
  readonly spiffeId: string;
  /** Leaf and intermediates. */
  readonly chainPem: string;
  readonly keyPem: string;
  readonly notAfterMs: number;
}

/** A service with instances on this host: what the inbound side serves. */
export interface LocalServiceConfig {
  /** `ns/name`. */
  readonly service: string;
  readonly protocol: Protocol;
  readonly instances: readonly LocalInstanceConfig[];
  /** Intentions whose destination covers this service, highest precedence first. */
  readonly intentions: readonly Intention[];
}

export interface LocalInstanceConfig {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  /** Passing or warning and not draining. */
  readonly ready: boolean;
  readonly draining: boolean;
}

/** One upstream of one local service: a listener on this host and where it leads. */
export interface OutboundConfig {
  /** `<source ns/name>/<instance id>/<destination ns/name>/<port or path>`. */
  readonly key: string;
  /** `ns/name` of the local service that calls. */
  readonly source: string;
  /** `ns/name` called. */
  readonly destination: string;
  readonly bind: BindConfig;
  readonly protocol: Protocol;
  readonly balance: Balance;
  readonly connectTimeoutMs: number;
  readonly endpoints: readonly EndpointConfig[];
}

export type BindConfig =
  | { readonly host: string; readonly port: number }
  | { readonly path: string; readonly mode: string };

export interface EndpointConfig {
  /** Instance id; with `node` it is unique. */
  readonly id: string;
  readonly node: string;
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  /** Health says it may take traffic and it is not draining. */
  readonly healthy: boolean;
}
