import { assert } from "../base/assert.ts";
import type { Append, Envelope, Heartbeat, SnapshotInstall } from "./messages.ts";
import { becomeFollower, send, type RaftState } from "./state.ts";

/** A message that only the leader of this term can have sent. */
export function followLeader(s: RaftState, m: Envelope): void {
  assert(s.role !== "leader", `two leaders in term ${s.term}: ${s.config.id} and ${m.from}`);
  if (s.role !== "follower") becomeFollower(s, s.term, m.from);
  assert(s.leader === undefined || s.leader === m.from, `two leaders in term ${s.term}: ${s.leader} and ${m.from}`);
  s.leader = m.from;
  s.electionElapsed = 0;
}

function accept(s: RaftState, to: string, index: number): void {
  send(s, to, { type: "appendReply", index, rejected: false, hintIndex: 0, hintTerm: 0 });
}

export function handleAppend(s: RaftState, m: Envelope & Append): void {
  // Late or repeated: what is committed matches the leader's log for sure.
  if (m.prevIndex < s.log.committed) {
    accept(s, m.from, s.log.committed);
    return;
  }
  const matched = s.log.tryAppend(m.prevIndex, m.prevTerm, m.entries);
  if (matched === undefined) {
    const hint = s.log.lastPossibleMatch(m.prevIndex, m.prevTerm);
    const { index, term } = hint;
    send(s, m.from, { type: "appendReply", index: m.prevIndex, rejected: true, hintIndex: index, hintTerm: term });
    return;
  }
  // Only up to what this message proved to match; beyond it this log may still differ.
  s.log.commitTo(Math.min(m.commit, matched));
  accept(s, m.from, matched);
}

export function handleHeartbeat(s: RaftState, m: Envelope & Heartbeat): void {
  s.log.commitTo(m.commit);
  send(s, m.from, { type: "heartbeatReply", round: m.round });
}

/** Raft thesis 5.3. An older snapshot than what is committed here is answered, and otherwise ignored. */
export function handleSnapshot(s: RaftState, m: Envelope & SnapshotInstall): void {
  const { snapshot } = m;
  if (snapshot.index <= s.log.committed) {
    accept(s, m.from, s.log.committed);
    return;
  }
  if (s.log.matches(snapshot.index, snapshot.term)) {
    // This log holds all of it: better to keep it than to throw away what follows.
    s.log.commitTo(snapshot.index);
    accept(s, m.from, snapshot.index);
    return;
  }
  s.log.restore(snapshot);
  s.voters = snapshot.membership.voters;
  accept(s, m.from, s.log.lastIndex);
}
