import { quorumValue } from "./quorum.ts";
import type { ReadReply, ReadRequest, Envelope } from "./messages.ts";
import { peers, send, type RaftState } from "./state.ts";

/**
 * Linearizable reads without a log entry (Raft thesis 6.4). The leader notes its commit index, proves by one round of
 * heartbeats that it still led after the read came in, and answers with that index; the reader waits until it has
 * applied it. All reads that came in between two rounds share the next one. A leader that has not committed an entry
 * of its own term does not know what is committed: its reads wait for that. Leases are not used: a paused
 * process would answer with old state.
 */
export interface ReadState {
  readonly context: number;
  /** Answer the read once this index is applied. */
  readonly index: number;
}

interface PendingRead {
  /** The node that asked; its own id for a local read. */
  readonly from: string;
  readonly context: number;
  readonly index: number;
  readonly round: number;
}

export interface Reads {
  /** Waiting for the first commit of this term. */
  early: { readonly from: string; readonly context: number }[];
  /** In order of their rounds; round `round + 1` has not been sent yet. */
  pending: PendingRead[];
  round: number;
  /** Highest round that each peer has answered. */
  confirmed: Map<string, number>;
}

export function emptyReads(): Reads {
  return { early: [], pending: [], round: 0, confirmed: new Map() };
}

function committedInTerm(s: RaftState): boolean {
  return s.log.termAt(s.log.committed) === s.term;
}

/** False when there are too many, or nobody to ask. */
export function requestRead(s: RaftState, from: string, context: number): boolean {
  if (s.role === "leader") {
    if (s.reads.early.length + s.reads.pending.length >= s.config.maxPendingReads) return false;
    if (committedInTerm(s)) enqueue(s, from, context);
    else s.reads.early.push({ from, context });
    return true;
  }
  if (s.leader === undefined || from !== s.config.id) return false;
  send(s, s.leader, { type: "readIndex", context });
  return true;
}

function enqueue(s: RaftState, from: string, context: number): void {
  const read = { from, context, index: s.log.committed, round: s.reads.round + 1 };
  if (s.voters.length === 1 && s.voters[0] === s.config.id) answer(s, read);
  else s.reads.pending.push(read);
}

function answer(s: RaftState, read: PendingRead): void {
  if (read.from === s.config.id) s.readStates.push({ context: read.context, index: read.index });
  else send(s, read.from, { type: "readIndexReply", context: read.context, index: read.index });
}

/** The first entry of this term was committed. */
export function releaseEarlyReads(s: RaftState): void {
  if (s.reads.early.length === 0 || !committedInTerm(s)) return;
  const early = s.reads.early;
  s.reads.early = [];
  for (const read of early) enqueue(s, read.from, read.context);
}

/** True when some reads have no round on the way yet. */
export function readsDue(s: RaftState): boolean {
  return s.role === "leader" && (s.reads.pending.at(-1)?.round ?? 0) > s.reads.round;
}

/** Number that a heartbeat sent now carries. */
function startRound(s: RaftState): number {
  if (readsDue(s)) s.reads.round++;
  return s.reads.round;
}

/** A peer answered a heartbeat of this term: reads up to the round that a majority answered are safe. */
export function confirmRound(s: RaftState, from: string, round: number): void {
  if (s.reads.pending.length === 0) return;
  s.reads.confirmed.set(from, Math.max(round, s.reads.confirmed.get(from) ?? 0));
  const safe = quorumValue(s.voters, (id) =>
    id === s.config.id ? s.reads.round : (s.reads.confirmed.get(id) ?? 0),
  );
  let done = 0;
  while (done < s.reads.pending.length && s.reads.pending[done]!.round <= safe) answer(s, s.reads.pending[done++]!);
  if (done > 0) s.reads.pending.splice(0, done);
}

export function handleReadRequest(s: RaftState, m: Envelope & ReadRequest): void {
  if (s.role === "leader") requestRead(s, m.from, m.context);
}

export function handleReadReply(s: RaftState, m: Envelope & ReadReply): void {
  if (m.from === s.leader) s.readStates.push({ context: m.context, index: m.index });
}

export function broadcastHeartbeat(s: RaftState): void {
  const round = startRound(s);
  for (const to of peers(s)) {
    // Never more than that node has: it must not commit what it has not been shown to hold.
    const commit = Math.min(s.progress.get(to)?.match ?? 0, s.log.committed);
    send(s, to, { type: "heartbeat", commit, round });
  }
}
