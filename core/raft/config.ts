import { assert } from "../base/assert.ts";

/** Limits and pace of one Raft node. Time is counted in ticks; the driver decides how long a tick is. */
export interface RaftConfig {
  /** This node's id, unique in the group. */
  readonly id: string;
  /**
   * Ticks without a word from a leader before a follower campaigns; each wait is drawn from [n, 2n). Also the
   * lease in which votes are refused, and the period of CheckQuorum. Default 8. Must be > heartbeatTicks; at least
   * 5 times the heartbeat lets a few be lost.
   */
  readonly electionTicks: number;
  /** Ticks between heartbeats. Default 1. */
  readonly heartbeatTicks: number;
  /** Bytes of entries in one append message; one entry always fits. Default 1 MiB. */
  readonly maxMessageBytes: number;
  /** Append messages on the way to one follower. Default 64; with maxMessageBytes bounds what a slow peer holds. */
  readonly maxInflightMessages: number;
  /** Bytes of entries on the way to one follower. Default 16 MiB. Must be >= maxMessageBytes. */
  readonly maxInflightBytes: number;
  /** Bytes of the leader's entries not committed yet; above it proposals are refused. Default 64 MiB. */
  readonly maxUncommittedBytes: number;
  /** Bytes of committed entries in one Ready, so that applying never starves the rest. Default 4 MiB. */
  readonly maxApplyBytes: number;
  /** Reads that wait for confirmation; above it they are refused. Default 65,536. */
  readonly maxPendingReads: number;
}

const MIB = 1024 * 1024;

/** Fills in the defaults; asserts the relations between them. */
export function raftConfig(options: Partial<RaftConfig> & { readonly id: string }): RaftConfig {
  const config: RaftConfig = {
    electionTicks: 8,
    heartbeatTicks: 1,
    maxMessageBytes: MIB,
    maxInflightMessages: 64,
    maxInflightBytes: 16 * MIB,
    maxUncommittedBytes: 64 * MIB,
    maxApplyBytes: 4 * MIB,
    maxPendingReads: 65_536,
    ...options,
  };
  assert(config.id !== "", "a Raft node needs an id");
  assert(config.heartbeatTicks >= 1, "heartbeatTicks must be at least 1");
  assert(config.electionTicks > config.heartbeatTicks, "electionTicks must be above heartbeatTicks");
  assert(config.maxInflightMessages >= 1, "maxInflightMessages must be at least 1");
  assert(config.maxInflightBytes >= config.maxMessageBytes, "maxInflightBytes must hold one message");
  return config;
}
