/** One Raft node under the hand of a test: "a" of the group a, b, c, told what the others say. */
import { assert } from "../../core/base/assert.ts";
import { raftConfig, type RaftConfig } from "../../core/raft/config.ts";
import type { Entry, Message, MessageBody } from "../../core/raft/messages.ts";
import { Raft, type Restored } from "../../core/raft/raft.ts";

export const NO_DATA = new Uint8Array(0);

export function entries(first: number, ...terms: number[]): Entry[] {
  return terms.map((term, i) => ({ index: first + i, term, type: "command", data: NO_DATA }));
}

interface Setup {
  readonly voters?: readonly string[];
  readonly terms?: readonly number[];
  readonly term?: number;
  readonly vote?: string;
  readonly commit?: number;
  readonly config?: Partial<RaftConfig>;
}

/** Node "a" of a group, its log holding entries of these terms. */
export function node(setup: Setup = {}): Raft {
  const terms = setup.terms ?? [];
  const restored: Restored = {
    hardState: { term: setup.term ?? terms.at(-1) ?? 0, vote: setup.vote ?? "", commit: setup.commit ?? 0 },
    base: { index: 0, term: 0 },
    entries: entries(1, ...terms),
    snapshot: undefined,
    membership: { voters: setup.voters ?? ["a", "b", "c"] },
  };
  return new Raft(raftConfig({ electionTicks: 5, ...setup.config, id: "a" }), restored, () => 0);
}

/** Does everything a Ready asks for; returns all messages, in order. */
export function drain(raft: Raft): Message[] {
  const sent: Message[] = [];
  while (raft.hasReady()) {
    const ready = raft.ready();
    sent.push(...ready.messages, ...ready.messagesAfterSync);
    raft.advance();
  }
  return sent;
}

export function tell(raft: Raft, from: string, term: number, body: MessageBody): Message[] {
  raft.step({ from, to: "a", term, ...body });
  return drain(raft);
}

export function ask(type: "vote" | "preVote", lastIndex: number, lastTerm: number): MessageBody {
  return { type, lastIndex, lastTerm };
}
export const consent = (type: "voteReply" | "preVoteReply", granted = true): MessageBody => ({ type, granted });
export const heartbeat: MessageBody = { type: "heartbeat", commit: 0, round: 0 };
export const accepted = (index: number): MessageBody => ({
  type: "appendReply", index, rejected: false, hintIndex: 0, hintTerm: 0,
});

export function append(prevIndex: number, prevTerm: number, list: readonly Entry[], commit = 0): MessageBody {
  return { type: "append", prevIndex, prevTerm, entries: list, commit };
}

/** Makes node "a" the leader by b's votes; all of its own log is on disk. */
export function leader(setup: Setup = {}): Raft {
  const raft = node(setup);
  raft.campaign();
  drain(raft);
  tell(raft, "b", raft.status().term + 1, consent("preVoteReply"));
  tell(raft, "b", raft.status().term, consent("voteReply"));
  assert(raft.status().role === "leader", "two of three votes make a leader");
  return raft;
}
