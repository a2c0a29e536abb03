import { assert } from "../base/assert.ts";
import { entryBytes, type AppendReply, type Entry, type Envelope, type HeartbeatReply } from "./messages.ts";
import type { Progress } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import { broadcastHeartbeat, confirmRound, releaseEarlyReads } from "./reads.ts";
import { fillWindow, sendAppend } from "./replication.ts";
import { becomeFollower, becomeLeader, type RaftState } from "./state.ts";

const EMPTY = new Uint8Array(0);

/**
 * The leader (Raft thesis 3.5, 3.6.2). It starts its term with an empty entry, because only entries of its own term
 * may be committed by counting; all earlier ones then follow. It counts itself only up to what it has synced.
 */
export function startLeading(s: RaftState): void {
  becomeLeader(s);
  const own = s.progress.get(s.config.id);
  assert(own !== undefined, "a leader is a voter");
  own.becomeReplicate();
  own.recentlyActive = true;
  // Everybody has just voted: silence is counted from here.
  for (const progress of s.progress.values()) progress.recentlyActive = true;
  s.log.append([{ index: s.log.lastIndex + 1, term: s.term, type: "noop", data: EMPTY }]);
  s.appendsDue = true;
  ownSynced(s);
}

export type ProposeRefusal = "notLeader" | "tooMuchUncommitted";
export type ProposeResult =
  | { readonly ok: true; readonly index: number; readonly term: number }
  | { readonly ok: false; readonly reason: ProposeRefusal };

export function propose(s: RaftState, data: Uint8Array): ProposeResult {
  if (s.role !== "leader") return { ok: false, reason: "notLeader" };
  const entry: Entry = { index: s.log.lastIndex + 1, term: s.term, type: "command", data };
  const bytes = entryBytes(entry);
  // One entry always fits, whatever its size.
  if (s.uncommittedBytes > 0 && s.uncommittedBytes + bytes > s.config.maxUncommittedBytes) {
    return { ok: false, reason: "tooMuchUncommitted" };
  }
  s.uncommittedBytes += bytes;
  s.log.append([entry]);
  s.appendsDue = true;
  return { ok: true, index: entry.index, term: entry.term };
}

/** Entries were handed out for applying: they are committed, so they weigh no more. */
export function settleUncommitted(s: RaftState, entries: readonly Entry[]): void {
  for (const entry of entries) s.uncommittedBytes = Math.max(0, s.uncommittedBytes - entryBytes(entry));
}

/** This node's disk moved on: the leader's own share of the count. */
export function ownSynced(s: RaftState): void {
  if (s.role !== "leader") return;
  s.progress.get(s.config.id)?.accepted(s.log.stable);
  advanceCommit(s);
}

/** Raft thesis 3.6.2: counting replicas commits entries of the own term only. */
function advanceCommit(s: RaftState): boolean {
  const index = quorumValue(s.voters, (id) => s.progress.get(id)?.match ?? 0);
  if (!s.log.matches(index, s.term) || !s.log.commitTo(index)) return false;
  s.appendsDue = true;
  releaseEarlyReads(s);
  return true;
}

export function tickLeader(s: RaftState): void {
  s.heartbeatElapsed++;
  s.electionElapsed++;
  if (s.electionElapsed >= s.config.electionTicks) {
    s.electionElapsed = 0;
    if (!quorumIsActive(s)) {
      becomeFollower(s, s.term, undefined);
      return;
    }
  }
  if (s.heartbeatElapsed >= s.config.heartbeatTicks) {
    s.heartbeatElapsed = 0;
    broadcastHeartbeat(s);
  }
}

/** CheckQuorum (Raft thesis 6.2): a leader that hears no majority for an election timeout steps down. */
function quorumIsActive(s: RaftState): boolean {
  const active = quorumValue(s.voters, (id) =>
    id === s.config.id || s.progress.get(id)?.recentlyActive === true ? 1 : 0,
  );
  for (const progress of s.progress.values()) progress.recentlyActive = false;
  return active === 1;
}

export function handleAppendReply(s: RaftState, m: Envelope & AppendReply): void {
  const progress = s.progress.get(m.from);
  if (progress === undefined) return;
  progress.recentlyActive = true;
  if (m.rejected) {
    // Skip a whole term of the own log at a time (Raft thesis 3.5): no entry above the hint's term can match there.
    const hint = m.hintTerm > 0 ? s.log.lastPossibleMatch(m.hintIndex, m.hintTerm).index : m.hintIndex;
    if (!progress.rejected(m.index, hint)) return;
    if (progress.state === "replicate") progress.becomeProbe();
    sendAppend(s, m.from, true);
    return;
  }
  // Beyond the own log: an answer that no append of this term can have caused.
  if (m.index > s.log.lastIndex) return;
  const wasPaused = progress.paused || progress.inflightFull;
  const news = progress.accepted(m.index);
  if (!news && !(progress.state === "probe" && m.index === progress.match)) return;
  settleState(s, progress, m.index);
  // A commit is announced to all at the next Ready; a node that waited for a free window is served at once.
  if (!advanceCommit(s) && wasPaused) sendAppend(s, m.from, true);
  fillWindow(s, m.from);
}

function settleState(s: RaftState, progress: Progress, index: number): void {
  if (progress.state === "replicate") {
    progress.freeInflight(index);
  } else if (progress.state === "probe") {
    progress.becomeReplicate();
  } else if (progress.match >= s.log.base.index) {
    // Either the snapshot arrived or another leader's entries did: the log reaches from there.
    progress.becomeProbe();
    progress.becomeReplicate();
  }
}

export function handleHeartbeatReply(s: RaftState, m: Envelope & HeartbeatReply): void {
  const progress = s.progress.get(m.from);
  if (progress === undefined) return;
  progress.recentlyActive = true;
  progress.resume();
  // Behind, or its state unknown: if what was sent got lost, this finds out.
  if (progress.match < s.log.lastIndex || progress.state === "probe") sendAppend(s, m.from, true);
  confirmRound(s, m.from, m.round);
}
