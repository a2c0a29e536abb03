import type { ProxySnapshot } from "./snapshot.ts";
import type { ProxyStats } from "./telemetry.ts";

/**
 * Agent and proxy over their unix socket: frames of a 4-byte big-endian length and that many bytes of JSON, 64 MiB at
 * most. The agent listens, the proxy connects, says hello, and ends when the connection closes.
 */
export type AgentToProxy =
  | { readonly type: "snapshot"; readonly snapshot: ProxySnapshot }
  /** Asks for one `stats` message with the same `seq`. */
  | { readonly type: "stats"; readonly seq: number }
  /** Asks for one `dump` message: what the proxy really runs. */
  | { readonly type: "dump"; readonly seq: number }
  /** Stop accepting, let what runs end within the time, then exit. */
  | { readonly type: "shutdown"; readonly graceMs: number };

export type ProxyToAgent =
  | { readonly type: "hello"; readonly pid: number; readonly protocol: 1 }
  /** The snapshot is in force. A listener that could not be bound is named here, the others serve. */
  | { readonly type: "ack"; readonly version: number; readonly listeners: readonly ListenerState[] }
  | { readonly type: "nack"; readonly version: number; readonly error: string }
  | { readonly type: "stats"; readonly seq: number; readonly stats: ProxyStats }
  | { readonly type: "dump"; readonly seq: number; readonly dump: unknown };

export interface ListenerState {
  /** `inbound` or the outbound's key. */
  readonly key: string;
  /** `host:port` or path as bound; empty when it failed. */
  readonly address: string;
  readonly error: string;
}
