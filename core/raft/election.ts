import type { Envelope, VoteReply, VoteRequest } from "./messages.ts";
import { startLeading } from "./leader.ts";
import { voteResult } from "./quorum.ts";
import { becomeCandidate, becomeFollower, becomePreCandidate, peers, send, type RaftState } from "./state.ts";

/**
 * Elections (Raft thesis 3.4, 3.6.1) with PreVote (9.6) and the lease rule that goes with CheckQuorum (6.2-6.4).
 *
 * A node that hears no leader first asks whether it *could* win the next term. Only a majority of yes makes it raise
 * its term. So a node that was cut off comes back without disturbing a working leader, and because every message
 * with a higher term that is not a pre-vote still makes its receiver follow, nobody stays behind for ever.
 * The own vote counts only once it is on disk; a pre-vote promises nothing and counts at once.
 */
export function canCampaign(s: RaftState): boolean {
  return s.role !== "leader" && s.voters.includes(s.config.id) && s.log.pendingSnapshot === undefined;
}

export function campaign(s: RaftState): void {
  if (!canCampaign(s)) return;
  s.electionElapsed = 0;
  becomePreCandidate(s);
  askForVotes(s, "preVote", s.term + 1);
  recordVote(s, s.config.id, true);
}

function stand(s: RaftState): void {
  becomeCandidate(s);
  askForVotes(s, "vote", s.term);
}

function askForVotes(s: RaftState, type: VoteRequest["type"], term: number): void {
  for (const to of peers(s)) {
    send(s, to, { type, lastIndex: s.log.lastIndex, lastTerm: s.log.lastTerm }, term);
  }
}

/** The term and vote of this node are on disk: its own vote may count. */
export function ownVoteSynced(s: RaftState, term: number, vote: string): void {
  const own = s.config.id;
  if (s.role === "candidate" && term === s.term && vote === own && !s.votes.has(own)) recordVote(s, own, true);
}

function recordVote(s: RaftState, from: string, granted: boolean): void {
  if (!s.votes.has(from)) s.votes.set(from, granted);
  const result = voteResult(s.voters, s.votes);
  if (result === "won") {
    if (s.role === "preCandidate") stand(s);
    else startLeading(s);
  } else if (result === "lost") {
    becomeFollower(s, s.term, undefined);
  }
}

/** A leader was heard within the shortest election timeout, or this node leads with a live quorum. */
export function inLease(s: RaftState): boolean {
  return s.leader !== undefined && s.electionElapsed < s.config.electionTicks;
}

/** The caller has settled the terms: `m.term` is at least this node's for a vote, above it or equal for a pre-vote. */
export function handleVoteRequest(s: RaftState, m: Envelope & VoteRequest): void {
  const pre = m.type === "preVote";
  const free = s.vote === m.from || (s.vote === "" && s.leader === undefined) || (pre && m.term > s.term);
  const granted = free && s.log.isUpToDate(m.lastIndex, m.lastTerm);
  // A granted pre-vote answers with the term asked for; a refusal tells the own term, so that a stale asker learns it.
  send(s, m.from, { type: pre ? "preVoteReply" : "voteReply", granted }, granted ? m.term : s.term);
  if (granted && !pre) {
    s.electionElapsed = 0;
    s.vote = m.from;
  }
}

export function handleVoteReply(s: RaftState, m: Envelope & VoteReply): void {
  const pre = m.type === "preVoteReply";
  if (s.role !== (pre ? "preCandidate" : "candidate") || !s.voters.includes(m.from)) return;
  // A late consent to an earlier term's pre-vote says nothing about this one.
  if (pre && m.granted && m.term !== s.term + 1) return;
  recordVote(s, m.from, m.granted);
}
