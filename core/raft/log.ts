import { assert } from "../base/assert.ts";
import { entryBytes, type Entry, type SnapshotMeta } from "./messages.ts";

/**
 * The log as the machine sees it, held in memory from its base on (snapshots bound it):
 *
 *     base  <=  applied  <=  committed  <=  last
 *                 applied  <=  stable   <=  last
 *
 * `base` is the last entry cut off (only its term is known), `stable` the last one that this node has synced,
 * `applied` the last one handed out for applying. Only what is both committed and stable is handed out, so the
 * state machine never knows more than the own disk does.
 */
export interface LogBase {
  readonly index: number;
  readonly term: number;
}

export class RaftLog {
  #base: LogBase;
  #entries: Entry[];
  #stable: number;
  #committed: number;
  #applied: number;
  #snapshot: SnapshotMeta | undefined;
  #pendingSnapshot: SnapshotMeta | undefined;

  /** `entries` are contiguous after `base`; all of it is on disk. `applied` is where the state machine stands. */
  constructor(from: {
    readonly base: LogBase;
    readonly entries: readonly Entry[];
    readonly snapshot: SnapshotMeta | undefined;
    readonly commit: number;
  }) {
    this.#base = from.base;
    this.#entries = [];
    this.#snapshot = from.snapshot;
    const snapshotIndex = from.snapshot?.index ?? 0;
    assert(snapshotIndex >= from.base.index, "the log was cut beyond its snapshot");
    this.#stable = this.#committed = this.#applied = from.base.index;
    this.#push(from.entries);
    assert(this.lastIndex >= snapshotIndex, "the log ends before its snapshot");
    this.#stable = this.lastIndex;
    this.#committed = Math.min(Math.max(from.commit, snapshotIndex), this.lastIndex);
    this.#applied = snapshotIndex;
  }

  get base(): LogBase {
    return this.#base;
  }
  get lastIndex(): number {
    return this.#base.index + this.#entries.length;
  }
  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#base.term;
  }
  get stable(): number {
    return this.#stable;
  }
  get committed(): number {
    return this.#committed;
  }
  get applied(): number {
    return this.#applied;
  }
  /** The newest snapshot that a follower can be sent. */
  get snapshot(): SnapshotMeta | undefined {
    return this.#snapshot;
  }
  /** A snapshot from the leader that the driver has not restored yet. */
  get pendingSnapshot(): SnapshotMeta | undefined {
    return this.#pendingSnapshot;
  }

  /** Undefined for what was cut off or is not there. */
  termAt(index: number): number | undefined {
    if (index === this.#base.index) return this.#base.term;
    return this.#entries[index - this.#base.index - 1]?.term;
  }

  matches(index: number, term: number): boolean {
    return this.termAt(index) === term;
  }

  /** Raft thesis 3.6.1: later last term wins, then the longer log. */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** Entries from `from` on: at least one if there is one, then as many as fit `maxBytes`, none above `to`. */
  slice(from: number, to: number, maxBytes: number): readonly Entry[] {
    assert(from > this.#base.index, `entry ${from} was cut off`);
    const start = from - this.#base.index - 1;
    const end = Math.min(to, this.lastIndex) - this.#base.index;
    let at = start;
    let bytes = 0;
    while (at < end) {
      bytes += entryBytes(this.#entries[at]!);
      if (bytes > maxBytes && at > start) break;
      at++;
    }
    return this.#entries.slice(start, at);
  }

  /** The leader's own entries; they follow the last one. */
  append(entries: readonly Entry[]): void {
    this.#push(entries);
  }

  /**
   * A follower's append (thesis 3.5): undefined when `prev` does not match, otherwise the last index that now
   * matches the leader's log. Cuts only at a real difference of terms, and never what is committed: a repeated or
   * late message changes nothing.
   */
  tryAppend(prevIndex: number, prevTerm: number, entries: readonly Entry[]): number | undefined {
    if (!this.matches(prevIndex, prevTerm)) return undefined;
    const fresh = entries.findIndex((entry) => !this.matches(entry.index, entry.term));
    if (fresh >= 0) {
      const first = entries[fresh]!.index;
      assert(first > this.#committed, `entry ${first} conflicts with a committed one (${this.#committed})`);
      if (first <= this.lastIndex) this.#truncate(first);
      this.#push(entries.slice(fresh));
    }
    return prevIndex + entries.length;
  }

  /** The last index <= `index` whose term is <= `term`: where two logs may still agree (thesis 3.5, fast back-up). */
  lastPossibleMatch(index: number, term: number): LogBase {
    let at = Math.min(index, this.lastIndex);
    while (at > this.#base.index && this.termAt(at)! > term) at--;
    return { index: at, term: this.termAt(at) ?? 0 };
  }

  commitTo(index: number): boolean {
    if (index <= this.#committed) return false;
    assert(index <= this.lastIndex, `commit ${index} is beyond the log's end ${this.lastIndex}: was the log lost?`);
    this.#committed = index;
    return true;
  }

  /** Entries to write to disk. */
  unstable(): readonly Entry[] {
    return this.#entries.slice(this.#stable - this.#base.index);
  }

  /** The entry at `index` was synced; ignored when another has replaced it meanwhile. */
  stableTo(index: number, term: number): void {
    if (index > this.#stable && this.matches(index, term)) this.#stable = index;
  }

  get hasUnstable(): boolean {
    return this.lastIndex > this.#stable;
  }
  get hasApplicable(): boolean {
    return this.#pendingSnapshot === undefined && Math.min(this.#committed, this.#stable) > this.#applied;
  }

  /** Entries to apply: committed and on the own disk. */
  applicable(maxBytes: number): readonly Entry[] {
    if (!this.hasApplicable) return [];
    return this.slice(this.#applied + 1, Math.min(this.#committed, this.#stable), maxBytes);
  }

  appliedTo(index: number): void {
    if (index <= this.#applied) return;
    assert(index <= this.#committed && index <= this.#stable, `applied ${index} before it was safe`);
    this.#applied = index;
  }

  /** The leader's snapshot replaces everything. */
  restore(snapshot: SnapshotMeta): void {
    assert(snapshot.index > this.#committed, "a snapshot must not take back what is committed");
    this.#base = { index: snapshot.index, term: snapshot.term };
    this.#entries = [];
    this.#stable = this.#committed = this.#applied = snapshot.index;
    this.#snapshot = this.#pendingSnapshot = snapshot;
  }

  restored(snapshot: SnapshotMeta): void {
    if (this.#pendingSnapshot?.index === snapshot.index) this.#pendingSnapshot = undefined;
  }

  /** The own snapshot is on disk; entries up to `compactTo` may go. Keeping a tail spares slow followers a snapshot. */
  compact(snapshot: SnapshotMeta, compactTo: number): void {
    if (snapshot.index <= (this.#snapshot?.index ?? 0)) return;
    assert(snapshot.index <= this.#applied, "a snapshot covers only what was applied");
    this.#snapshot = snapshot;
    const index = Math.min(compactTo, snapshot.index);
    if (index <= this.#base.index) return;
    const term = this.termAt(index)!;
    this.#entries = this.#entries.slice(index - this.#base.index);
    this.#base = { index, term };
  }

  #truncate(from: number): void {
    assert(from > this.#committed, `cannot cut ${from}: it is committed`);
    this.#entries.length = from - this.#base.index - 1;
    this.#stable = Math.min(this.#stable, from - 1);
  }

  #push(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, `entry ${entry.index} does not follow ${this.lastIndex}`);
      assert(entry.term >= this.lastTerm, `term goes back at entry ${entry.index}`);
      this.#entries.push(entry);
    }
  }
}
