import { setImmediate as nextTurn } from "node:timers/promises";
import { assert } from "../../core/base/assert.ts";
import { MeshError } from "../../core/base/errors.ts";
import type { Entry, Message, SnapshotMeta } from "../../core/raft/messages.ts";
import type { Raft } from "../../core/raft/raft.ts";
import type { Ready } from "../../core/raft/ready.ts";
import type { Logger } from "../../io/logger.ts";
import type { LogStore } from "../../io/storage/log-store.ts";
import { DRIVER_LIMITS, type DriverLimits } from "./limits.ts";
import type { Fsm, NodeStatus, RaftNode } from "./node.ts";
import { Pending, unknownOutcome } from "./pending.ts";
import { Snapshotter } from "./snapshotter.ts";

export interface Proposed {
  readonly index: number;
  readonly result: unknown;
}

export interface DriverParts {
  readonly nodeId: string;
  readonly raft: Raft;
  readonly store: LogStore;
  readonly fsm: Fsm;
  readonly log: Logger;
  readonly limits?: Partial<DriverLimits> | undefined;
  /** Takes messages for other nodes; they may get lost. A single voter never writes any. */
  readonly send?: (messages: readonly Message[]) => void;
}

/**
 * Joins the pure machine to disk, clock and state machine. One loop takes one Ready after the other; while its batch
 * is being synced, proposals and messages gather in the machine and make the next one (group commit), and committed
 * entries, which are on disk already, are applied. The first error of the disk or of the state machine ends the loop.
 */
export class RaftDriver implements RaftNode {
  readonly #id: string;
  readonly #raft: Raft;
  readonly #store: LogStore;
  readonly #fsm: Fsm;
  readonly #log: Logger;
  readonly #limits: DriverLimits;
  readonly #send: (messages: readonly Message[]) => void;
  readonly #snapshotter: Snapshotter;
  readonly #proposals = new Pending<Proposed>();
  readonly #reads = new Pending<number>();
  readonly #fatalListeners: ((error: MeshError) => void)[] = [];
  /** Reads whose index is known but not applied yet. */
  #readsAhead: { readonly index: number; readonly context: number }[] = [];
  #readContext = 0;
  #appliedIndex: number;
  #term: number;
  #lastTickMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #wake: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #closing = false;
  #fatal: MeshError | undefined;
  /** Resolved when this node leads and has applied everything before its term. */
  #elected = Promise.withResolvers<void>();

  constructor(parts: DriverParts) {
    this.#id = parts.nodeId;
    this.#raft = parts.raft;
    this.#store = parts.store;
    this.#fsm = parts.fsm;
    this.#log = parts.log;
    this.#limits = { ...DRIVER_LIMITS, ...parts.limits };
    this.#send = parts.send ?? ((messages) => assert(messages.length === 0, "there is nobody to write to"));
    this.#snapshotter = new Snapshotter({ ...parts, limits: this.#limits });
    this.#appliedIndex = parts.raft.status().appliedIndex;
    this.#term = parts.raft.status().term;
    // Nobody may be waiting for it.
    this.#elected.promise.catch(() => undefined);
  }

  start(): void {
    this.#lastTickMs = performance.now();
    this.#timer = setInterval(() => this.#tick(), this.#limits.tickMs);
    this.#running = this.#run();
  }

  /** Stands for election at once; resolves when it leads and all that came before is applied. */
  elect(): Promise<void> {
    this.#raft.campaign();
    this.#nudge();
    return this.#elected.promise;
  }

  /** Takes in a message from another node. */
  step(message: Message): void {
    if (this.#closing || this.#fatal !== undefined) return;
    this.#raft.step(message);
    this.#nudge();
  }

  /** A message to this node could not be sent. */
  peerUnreachable(id: string): void {
    this.#raft.reportUnreachable(id);
  }

  /** The snapshot that a message to this node spoke of arrived there, or did not. */
  snapshotSent(id: string, arrived: boolean): void {
    this.#raft.reportSnapshot(id, arrived);
    this.#nudge();
  }

  propose(command: Uint8Array): Promise<Proposed> {
    const refusal = this.#refusal(command);
    if (refusal !== undefined) return Promise.reject(refusal);
    const taken = this.#raft.propose(command);
    if (!taken.ok) return Promise.reject(taken.reason === "notLeader" ? this.#notLeader() : busy("uncommitted bytes"));
    const { index, term } = taken;
    // An earlier one at this index was cut from the log; somewhere it may live on, until something commits there.
    this.#proposals.take(index)?.reject(unknownOutcome("leadership was lost"));
    const { promise, resolve, reject } = Promise.withResolvers<Proposed>();
    this.#proposals.add(index, { term, resolve, reject }, performance.now() + this.#limits.requestTimeoutMs);
    this.#nudge();
    return promise;
  }

  readIndex(): Promise<number> {
    if (this.#fatal !== undefined || this.#closing) return Promise.reject(this.#stopped());
    const context = ++this.#readContext;
    if (!this.#raft.readIndex(context)) {
      return Promise.reject(this.#raft.status().leader === this.#id ? busy("waiting reads") : this.#notLeader());
    }
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#reads.add(context, { term: 0, resolve, reject }, performance.now() + this.#limits.requestTimeoutMs);
    this.#nudge();
    return promise;
  }

  status(): NodeStatus {
    const { role, leader, term, commitIndex, voters } = this.#raft.status();
    const state = this.#fatal !== undefined ? "failed" : this.#closing ? "closed" : role;
    const down = this.#fatal !== undefined || this.#closing;
    return {
      id: this.#id,
      leader: down && leader === this.#id ? undefined : leader,
      term,
      commitIndex,
      appliedIndex: this.#appliedIndex,
      peers: voters,
      state,
    };
  }

  onFatal(listener: (error: MeshError) => void): void {
    this.#fatalListeners.push(listener);
    if (this.#fatal !== undefined) listener(this.#fatal);
  }

  async close(): Promise<void> {
    if (this.#closing) return this.#running;
    this.#closing = true;
    this.#nudge();
    this.#running = this.#running.then(() => this.#release());
    return this.#running;
  }

  async #release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#snapshotter.settled();
    this.#abandon(() => unknownOutcome("the server is stopping"));
    this.#elected.reject(this.#stopped());
    await this.#store.close();
  }

  async #run(): Promise<void> {
    try {
      while (!this.#closing) {
        await this.#snapshotter.compactIfSaved();
        if (!this.#raft.hasReady()) {
          // close() may have come while the line above waited: nobody would wake this loop again.
          if (this.#closing) break;
          await this.#nudged();
          continue;
        }
        const synced = await this.#turn(this.#raft.ready());
        // Without a write nothing has let the event loop breathe.
        if (!synced && this.#raft.hasReady()) await nextTurn();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Does what Ready asks for, in its order. True when it wrote. */
  async #turn(ready: Ready): Promise<boolean> {
    this.#send(ready.messages);
    const { entries, hardState, snapshot } = ready;
    const saving = ready.mustSync ? this.#store.save({ entries, hardState, snapshot }) : undefined;
    // Applying may throw before this is awaited.
    saving?.catch(() => undefined);
    if (snapshot === undefined) this.#apply(ready.committed);
    await saving;
    this.#send(ready.messagesAfterSync);
    if (snapshot !== undefined) {
      await this.#restore(snapshot);
      this.#apply(ready.committed);
    }
    this.#raft.advance();
    for (const read of ready.readStates) this.#readsAhead.push(read);
    this.#answerReads();
    this.#snapshotter.takeIfDue(this.#appliedIndex);
    const { role, term } = this.#raft.status();
    if (term !== this.#term) {
      // Whoever was asked leads no more; a read is safe to repeat.
      this.#reads.rejectAll(() => this.#notLeader());
      this.#term = term;
    }
    if (role === "leader" && this.#raft.termAt(this.#appliedIndex) === term) this.#elected.resolve();
    return ready.mustSync;
  }

  #apply(committed: readonly Entry[]): void {
    for (const entry of committed) {
      assert(entry.index === this.#appliedIndex + 1, `entry ${entry.index} applied after ${this.#appliedIndex}`);
      const result = entry.type === "command" ? this.#fsm.apply(entry.index, entry.data) : undefined;
      this.#appliedIndex = entry.index;
      this.#snapshotter.applied(entry.data.length);
      const waiter = this.#proposals.take(entry.index);
      if (waiter === undefined) continue;
      if (waiter.term === entry.term) waiter.resolve({ index: entry.index, result });
      // Another leader's entry stands in its place: this one will never be.
      else waiter.reject(this.#notLeader());
    }
  }

  async #restore(meta: SnapshotMeta): Promise<void> {
    const snapshot = await this.#store.snapshots.read(meta.index);
    assert(snapshot !== undefined, `the snapshot at ${meta.index} was stepped before it was kept`);
    this.#fsm.restore(snapshot.data);
    this.#appliedIndex = meta.index;
    this.#proposals.rejectUpTo(meta.index, () => unknownOutcome("leadership was lost"));
    this.#log.info({ index: meta.index }, "restored the leader's snapshot");
  }

  #answerReads(): void {
    if (this.#readsAhead.length === 0) return;
    const ready = this.#readsAhead.filter((read) => read.index <= this.#appliedIndex);
    this.#readsAhead = this.#readsAhead.filter((read) => read.index > this.#appliedIndex);
    for (const read of ready) this.#reads.take(read.context)?.resolve(read.index);
  }

  /** Ticks by the monotonic clock: one that comes late counts as the time that has really gone by. */
  #tick(): void {
    if (this.#closing || this.#fatal !== undefined) return;
    const nowMs = performance.now();
    const { tickMs } = this.#limits;
    const ticks = Math.floor((nowMs - this.#lastTickMs) / tickMs);
    this.#lastTickMs += ticks * tickMs;
    // More than a second's worth says nothing new: the leader has stepped down, the follower campaigns.
    for (let i = 0; i < Math.min(ticks, Math.ceil(1_000 / tickMs)); i++) this.#raft.tick();
    this.#proposals.expire(nowMs, () => unknownOutcome("no majority has confirmed it in time"));
    this.#reads.expire(nowMs, () => new MeshError("TIMEOUT", "no majority has confirmed the leader in time"));
    this.#nudge();
  }

  #nudge(): void {
    this.#wake?.();
  }

  async #nudged(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  #refusal(command: Uint8Array): MeshError | undefined {
    if (this.#fatal !== undefined || this.#closing) return this.#stopped();
    if (command.length > this.#limits.maxCommandBytes) {
      const most = this.#limits.maxCommandBytes;
      return new MeshError("TOO_LARGE", `a change of ${command.length} bytes; at most ${most} are allowed`);
    }
    return this.#proposals.size >= this.#limits.maxPendingProposals ? busy("waiting changes") : undefined;
  }

  #notLeader(): MeshError {
    const { leader } = this.#raft.status();
    if (leader === undefined) return new MeshError("NO_LEADER", "the servers have no leader at the moment");
    return new MeshError("NOT_LEADER", `this server does not lead; ${leader} does`);
  }

  #stopped(): MeshError {
    const fatal = this.#fatal;
    if (fatal === undefined) return new MeshError("UNREACHABLE", "this server is stopping; nothing was changed");
    const { code, fix } = fatal;
    return new MeshError(code, `this server has failed: ${fatal.message}`, { fix, cause: fatal });
  }

  #fail(error: unknown): void {
    const fatal =
      error instanceof MeshError
        ? error
        : new MeshError("INTERNAL", `the Raft node stopped: ${error instanceof Error ? error.message : error}`, {
            cause: error,
          });
    this.#fatal = fatal;
    clearInterval(this.#timer);
    this.#log.error({ code: fatal.code, fix: fatal.fix, err: fatal }, `raft stopped: ${fatal.message}`);
    this.#abandon(() => unknownOutcome("the server failed", fatal));
    this.#elected.reject(fatal);
    for (const listener of this.#fatalListeners) listener(fatal);
  }

  #abandon(error: () => MeshError): void {
    this.#proposals.rejectAll(error);
    this.#reads.rejectAll(() => this.#stopped());
    this.#readsAhead = [];
  }
}

function busy(what: string): MeshError {
  return new MeshError("LIMITED", `this server has too many ${what}; nothing was changed`);
}
