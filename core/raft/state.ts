import type { Random } from "../base/random.ts";
import type { RaftConfig } from "./config.ts";
import type { RaftLog } from "./log.ts";
import type { Message, MessageBody } from "./messages.ts";
import { Progress } from "./progress.ts";
import { emptyReads, type ReadState, type Reads } from "./reads.ts";

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** Everything that one node knows. The functions beside this file change it; nothing else does. */
export interface RaftState {
  readonly config: RaftConfig;
  readonly random: Random;
  readonly log: RaftLog;
  voters: readonly string[];
  role: Role;
  term: number;
  /** Whom this node voted for in `term`; empty for nobody. */
  vote: string;
  leader: string | undefined;
  /** Ticks since a leader was heard (followers) or since the last CheckQuorum (leader). */
  electionElapsed: number;
  heartbeatElapsed: number;
  electionTimeout: number;
  votes: Map<string, boolean>;
  /** Per voter, this node among them; only meaningful on a leader. */
  progress: Map<string, Progress>;
  /** The leader has entries or a commit index that followers were not told of. */
  appendsDue: boolean;
  /** Bytes appended by this leader and not handed out for applying yet. */
  uncommittedBytes: number;
  reads: Reads;
  readStates: ReadState[];
  /** May go out at once: they promise nothing about this node's disk. */
  outbox: Message[];
  /** Answers and vote requests: go out only after this node has synced. */
  outboxAfterSync: Message[];
}

/** Messages that a leader may send before its own disk is done (Raft thesis 10.2.1). */
const AT_ONCE: ReadonlySet<MessageBody["type"]> = new Set(["append", "heartbeat", "snapshot", "readIndex"]);

/** Queues a message of this node; the term is its own unless the message speaks of another one. */
export function send(s: RaftState, to: string, body: MessageBody, term: number = s.term): void {
  const message: Message = { from: s.config.id, to, term, ...body };
  (AT_ONCE.has(body.type) ? s.outbox : s.outboxAfterSync).push(message);
}

export function peers(s: RaftState): readonly string[] {
  return s.voters.filter((id) => id !== s.config.id);
}

/** Common part of every change of role or term. */
function reset(s: RaftState, term: number): void {
  if (s.term !== term) {
    s.term = term;
    s.vote = "";
  }
  s.leader = undefined;
  s.electionElapsed = 0;
  s.heartbeatElapsed = 0;
  s.electionTimeout = s.config.electionTicks + Math.floor(s.random() * s.config.electionTicks);
  s.votes = new Map();
  s.progress = new Map(s.voters.map((id) => [id, new Progress(s.log.lastIndex + 1, s.config)]));
  s.appendsDue = false;
  s.uncommittedBytes = 0;
  s.reads = emptyReads();
}

export function becomeFollower(s: RaftState, term: number, leader: string | undefined): void {
  reset(s, term);
  s.role = "follower";
  s.leader = leader;
}

/** A pre-candidate keeps its term and vote: if it loses, nothing has happened. */
export function becomePreCandidate(s: RaftState): void {
  s.role = "preCandidate";
  s.leader = undefined;
  s.votes = new Map();
}

export function becomeCandidate(s: RaftState): void {
  reset(s, s.term + 1);
  s.role = "candidate";
  s.vote = s.config.id;
}

export function becomeLeader(s: RaftState): void {
  reset(s, s.term);
  s.role = "leader";
  s.leader = s.config.id;
}
