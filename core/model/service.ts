import type { Balance, Protocol } from "./catalog.ts";

/**
 * A service definition after parsing (Consul's shape comes in through parseServiceDefinition in service-parse.ts).
 * Every default is filled in; durations are milliseconds.
 */
export interface ServiceDefinition {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  /** Empty: the host's loopback for the proxy, the host's address for the catalog. */
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly weights: { readonly passing: number; readonly warning: number };
  readonly checks: readonly CheckDefinition[];
  readonly upstreams: readonly UpstreamDefinition[];
}

export interface UpstreamDefinition {
  readonly namespace: string;
  readonly name: string;
  /** Either an address and port, or a socket path with its octal mode. */
  readonly bindAddress: string;
  readonly bindPort: number;
  readonly bindSocketPath: string;
  readonly bindSocketMode: string;
  readonly protocol: Protocol | undefined;
  readonly balance: Balance | undefined;
  readonly connectTimeoutMs: number | undefined;
}

export interface CheckDefinition {
  readonly id: string;
  readonly name: string;
  readonly notes: string;
  readonly probe: CheckProbe;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly initialStatus: "passing" | "warning" | "critical";
  /** Results in a row before the status changes. */
  readonly successBeforePassing: number;
  readonly failuresBeforeWarning: number;
  readonly failuresBeforeCritical: number;
  /** 0: never. */
  readonly deregisterCriticalAfterMs: number;
}

export type CheckProbe =
  | { readonly type: "http"; readonly url: string; readonly method: string; readonly body: string;
      readonly headers: Readonly<Record<string, readonly string[]>>; readonly tlsSkipVerify: boolean }
  | { readonly type: "tcp"; readonly host: string; readonly port: number }
  | { readonly type: "ttl"; readonly ttlMs: number }
  | { readonly type: "script"; readonly args: readonly string[] }
  | { readonly type: "grpc"; readonly host: string; readonly port: number; readonly service: string;
      readonly useTls: boolean };
