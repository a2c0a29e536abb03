import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { RaftConfig } from "./config.ts";
import { campaign, canCampaign, ownVoteSynced } from "./election.ts";
import { ownSynced, propose, settleUncommitted, tickLeader, type ProposeResult } from "./leader.ts";
import { RaftLog, type LogBase } from "./log.ts";
import type { Entry, HardState, Membership, Message, SnapshotMeta } from "./messages.ts";
import type { Ready } from "./ready.ts";
import { broadcastHeartbeat, emptyReads, readsDue, requestRead } from "./reads.ts";
import { broadcastAppends } from "./replication.ts";
import { becomeFollower, type RaftState, type Role } from "./state.ts";
import { step } from "./step.ts";

/** What the disk held when the node started. */
export interface Restored {
  readonly hardState: HardState;
  readonly base: LogBase;
  readonly entries: readonly Entry[];
  readonly snapshot: SnapshotMeta | undefined;
  /** Who counts, as of the snapshot, or as of the group's birth without one. */
  readonly membership: Membership;
}

export interface RaftStatus {
  readonly role: Role;
  readonly term: number;
  readonly leader: string | undefined;
  readonly voters: readonly string[];
  readonly lastIndex: number;
  readonly stableIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
}

interface InFlight {
  readonly hardState: HardState;
  readonly last: LogBase | undefined;
  readonly snapshot: SnapshotMeta | undefined;
  readonly appliedTo: number;
}

/**
 * One Raft node as a pure machine in the shape of etcd-io/raft: messages, ticks and proposals go in, a Ready comes
 * out, `advance` says that it was done. No I/O, no clock, no randomness of its own. See Ready for the driver's duties.
 */
export class Raft {
  readonly #s: RaftState;
  #synced: HardState;
  #inFlight: InFlight | undefined;

  constructor(config: RaftConfig, restored: Restored, random: Random) {
    const log = new RaftLog({ ...restored, commit: restored.hardState.commit });
    assert(log.lastTerm <= restored.hardState.term, "the log knows a later term than the hard state");
    this.#s = {
      config,
      random,
      log,
      voters: restored.membership.voters,
      role: "follower",
      term: restored.hardState.term,
      vote: restored.hardState.vote,
      leader: undefined,
      electionElapsed: 0,
      heartbeatElapsed: 0,
      electionTimeout: 0,
      votes: new Map(),
      progress: new Map(),
      appendsDue: false,
      uncommittedBytes: 0,
      reads: emptyReads(),
      readStates: [],
      outbox: [],
      outboxAfterSync: [],
    };
    this.#synced = this.#hardState();
    becomeFollower(this.#s, this.#s.term, undefined);
  }

  /** One unit of time went by. */
  tick(): void {
    const s = this.#s;
    if (s.role === "leader") {
      tickLeader(s);
      return;
    }
    s.electionElapsed++;
    if (s.electionElapsed >= s.electionTimeout && canCampaign(s)) campaign(s);
  }

  /** Stands for election at once instead of waiting for the timeout (a single node does at start). */
  campaign(): void {
    campaign(this.#s);
  }

  /** Appends a command if this node leads. Being appended is not being committed: watch `committed` for that. */
  propose(data: Uint8Array): ProposeResult {
    return propose(this.#s, data);
  }

  /** Asks for a linearizable read point; it comes as a ReadState with this context, or never (ask again). */
  readIndex(context: number): boolean {
    return requestRead(this.#s, this.#s.config.id, context);
  }

  /** The driver could not deliver to this peer: send one append at a time until it answers. */
  reportUnreachable(id: string): void {
    const progress = this.#s.progress.get(id);
    if (this.#s.role === "leader" && progress?.state === "replicate") progress.becomeProbe();
  }

  /** The snapshot for this peer was delivered, or was not. */
  reportSnapshot(id: string, delivered: boolean): void {
    const progress = this.#s.progress.get(id);
    if (this.#s.role !== "leader" || progress?.state !== "snapshot") return;
    if (delivered) progress.becomeProbe();
    else progress.snapshotFailed();
  }

  /** The driver has kept a snapshot of what was applied; entries up to `compactTo` are no longer needed. */
  compact(snapshot: SnapshotMeta, compactTo: number): void {
    this.#s.log.compact(snapshot, compactTo);
  }

  /** Takes in one message. Anything late, repeated or from a dead term is harmless. */
  step(m: Message): void {
    step(this.#s, m);
  }

  hasReady(): boolean {
    const s = this.#s;
    if (this.#inFlight !== undefined) return false;
    return (
      s.outbox.length > 0 ||
      s.outboxAfterSync.length > 0 ||
      s.readStates.length > 0 ||
      s.appendsDue ||
      readsDue(s) ||
      this.#mustSync() ||
      s.log.hasApplicable
    );
  }

  /** What to do now. Followed by exactly one `advance()`. */
  ready(): Ready {
    assert(this.#inFlight === undefined, "the last Ready was not advanced");
    const s = this.#s;
    if (s.role === "leader" && s.appendsDue) broadcastAppends(s);
    s.appendsDue = false;
    if (readsDue(s)) broadcastHeartbeat(s);
    const ready: Ready = {
      messages: s.outbox,
      messagesAfterSync: s.outboxAfterSync,
      hardState: this.#hardState(),
      mustSync: this.#mustSync(),
      entries: s.log.unstable(),
      snapshot: s.log.pendingSnapshot,
      committed: s.log.applicable(s.config.maxApplyBytes),
      readStates: s.readStates,
    };
    s.outbox = [];
    s.outboxAfterSync = [];
    s.readStates = [];
    settleUncommitted(s, ready.committed);
    this.#inFlight = {
      hardState: ready.hardState,
      last: ready.entries.at(-1),
      snapshot: ready.snapshot,
      appliedTo: ready.committed.at(-1)?.index ?? 0,
    };
    return ready;
  }

  /** The last Ready was done: all of it is on disk and applied. */
  advance(): void {
    const s = this.#s;
    const done = this.#inFlight;
    assert(done !== undefined, "advance without a Ready");
    this.#inFlight = undefined;
    this.#synced = done.hardState;
    if (done.snapshot !== undefined) s.log.restored(done.snapshot);
    if (done.last !== undefined) s.log.stableTo(done.last.index, done.last.term);
    s.log.appliedTo(done.appliedTo);
    ownVoteSynced(s, done.hardState.term, done.hardState.vote);
    ownSynced(s);
  }

  status(): RaftStatus {
    const { role, term, leader, voters, log } = this.#s;
    return {
      role,
      term,
      leader,
      voters,
      lastIndex: log.lastIndex,
      stableIndex: log.stable,
      commitIndex: log.committed,
      appliedIndex: log.applied,
      snapshotIndex: log.snapshot?.index ?? 0,
    };
  }

  /** Term of an entry that is still in the log. */
  termAt(index: number): number | undefined {
    return this.#s.log.termAt(index);
  }

  #hardState(): HardState {
    const { term, vote, log } = this.#s;
    return { term, vote, commit: log.committed };
  }

  #mustSync(): boolean {
    const { term, vote, log } = this.#s;
    const changed = term !== this.#synced.term || vote !== this.#synced.vote;
    return changed || log.hasUnstable || log.pendingSnapshot !== undefined;
  }
}
