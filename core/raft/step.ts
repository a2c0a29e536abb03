import { unreachable } from "../base/assert.ts";
import { handleVoteReply, handleVoteRequest, inLease } from "./election.ts";
import { followLeader, handleAppend, handleHeartbeat, handleSnapshot } from "./follower.ts";
import { handleAppendReply, handleHeartbeatReply } from "./leader.ts";
import type { Message } from "./messages.ts";
import { handleReadReply, handleReadRequest } from "./reads.ts";
import { becomeFollower, send, type RaftState } from "./state.ts";

/** One message: first the terms are settled, then it is handled by what it is and by this node's role. */
export function step(s: RaftState, m: Message): void {
  if (m.to !== s.config.id || m.from === s.config.id) return;
  if (settleTerm(s, m)) dispatch(s, m);
}

/** Raft thesis 3.3: a higher term makes a follower, a lower one is refused. True when the message may be handled. */
function settleTerm(s: RaftState, m: Message): boolean {
  const ballot = m.type === "preVote" || m.type === "vote";
  if (m.term > s.term) {
    // While a leader is heard nobody gets a vote, and the term stays: else one lost node could unseat it.
    if (ballot && inLease(s)) return false;
    // A pre-vote, and the consent to ours, speak of a term that has not begun.
    const future = m.type === "preVote" || (m.type === "preVoteReply" && m.granted);
    const fromLeader = m.type === "append" || m.type === "heartbeat" || m.type === "snapshot";
    if (!future) becomeFollower(s, m.term, fromLeader ? m.from : undefined);
    return true;
  }
  if (m.term === s.term) return true;
  if (m.type === "append" || m.type === "heartbeat") {
    // An old leader: tell it our term, which PreVote keeps us from campaigning with. Index 0 claims nothing.
    send(s, m.from, { type: "appendReply", index: 0, rejected: false, hintIndex: 0, hintTerm: 0 });
  } else if (m.type === "preVote") {
    send(s, m.from, { type: "preVoteReply", granted: false });
  }
  return false;
}

function dispatch(s: RaftState, m: Message): void {
  switch (m.type) {
    case "preVote":
    case "vote":
      return handleVoteRequest(s, m);
    case "preVoteReply":
    case "voteReply":
      return handleVoteReply(s, m);
    case "append":
      followLeader(s, m);
      return handleAppend(s, m);
    case "heartbeat":
      followLeader(s, m);
      return handleHeartbeat(s, m);
    case "snapshot":
      followLeader(s, m);
      return handleSnapshot(s, m);
    case "appendReply":
      return s.role === "leader" ? handleAppendReply(s, m) : undefined;
    case "heartbeatReply":
      return s.role === "leader" ? handleHeartbeatReply(s, m) : undefined;
    case "readIndex":
      return handleReadRequest(s, m);
    case "readIndexReply":
      return handleReadReply(s, m);
    default:
      return unreachable(m);
  }
}
