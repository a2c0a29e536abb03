/**
 * What Raft nodes say to each other and what they keep, as plain data.
 *
 * Terms and indexes are whole numbers below 2^53; index 0 and term 0 mean "before the first entry". A message is a
 * value: whoever sends it may lose, repeat, delay or reorder it, and the machine stays safe.
 */

/** `noop` starts each term (Raft thesis 6.4); `command` is opaque to Raft and goes to the state machine. */
export type EntryType = "noop" | "command";

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/** What must be on disk before any reply. `vote` is empty for none; `commit` may lag, it is only a hint. */
export interface HardState {
  readonly term: number;
  readonly vote: string;
  readonly commit: number;
}

/** Who counts. Sorted, without repetition; empty means that this node waits to be added. */
export interface Membership {
  readonly voters: readonly string[];
}

/** A snapshot without its bytes: those are the driver's business, as they may be large. */
export interface SnapshotMeta {
  readonly index: number;
  readonly term: number;
  readonly membership: Membership;
}

export interface VoteRequest {
  /** A `preVote` asks for the term after the sender's and changes nothing at either end (thesis 9.6). */
  readonly type: "preVote" | "vote";
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface VoteReply {
  readonly type: "preVoteReply" | "voteReply";
  readonly granted: boolean;
}

export interface Append {
  readonly type: "append";
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
}

/**
 * Accepted: `index` is the last entry known to match. Rejected: `index` is the `prevIndex` that did not match, and
 * the hint is the last place where sender and receiver may still agree.
 */
export interface AppendReply {
  readonly type: "appendReply";
  readonly index: number;
  readonly rejected: boolean;
  readonly hintIndex: number;
  readonly hintTerm: number;
}

export interface Heartbeat {
  readonly type: "heartbeat";
  readonly commit: number;
  /** Number of the read round that an answer confirms. */
  readonly round: number;
}

export interface HeartbeatReply {
  readonly type: "heartbeatReply";
  readonly round: number;
}

/** The receiver's driver must hold the snapshot's bytes, verified and synced, before it steps this message. */
export interface SnapshotInstall {
  readonly type: "snapshot";
  readonly snapshot: SnapshotMeta;
}

export interface ReadRequest {
  readonly type: "readIndex";
  readonly context: number;
}

export interface ReadReply {
  readonly type: "readIndexReply";
  readonly context: number;
  readonly index: number;
}

export type MessageBody =
  | VoteRequest
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | SnapshotInstall
  | ReadRequest
  | ReadReply;

export interface Envelope {
  readonly from: string;
  readonly to: string;
  readonly term: number;
}

export type Message = Envelope & MessageBody;

/** Size that limits count for an entry, in bytes: its data and about what its frame costs. */
export function entryBytes(entry: Entry): number {
  return entry.data.length + 16;
}
