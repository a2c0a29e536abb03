import { assert } from "../../core/base/assert.ts";
import type { Entry } from "../../core/raft/messages.ts";
import type { Raft, Restored } from "../../core/raft/raft.ts";

/** Watches a simulated cluster; throws at the first breach of Raft's safety properties (Raft thesis, figure 3.2). */
export class RaftOracle {
  readonly #leaderOf = new Map<number, string>();
  /** Every entry that ever was on a disk, by index and term. */
  readonly #known = new Map<string, { readonly data: string; readonly prevTerm: number }>();
  readonly #applied: { readonly term: number; readonly data: string; readonly hash: number }[] = [];
  readonly #reads = new Map<number, number>();
  readonly #appliedBy = new Map<string, number>();
  /** For the printed summary. */
  readsDone = 0;

  /** Highest index that any node has applied. */
  get appliedIndex(): number {
    return this.#applied.length;
  }
  get elections(): number {
    return this.#leaderOf.size;
  }

  observe(id: string, raft: Raft): void {
    const { role, term, commitIndex, lastIndex } = raft.status();
    assert(commitIndex <= lastIndex, `${id} committed beyond its log`);
    if (role !== "leader") return;
    const known = this.#leaderOf.get(term);
    assert(known === undefined || known === id, `Election Safety: term ${term} has leaders ${known} and ${id}`);
    if (known !== undefined) return;
    this.#leaderOf.set(term, id);
    // Leader Completeness: all that was committed is in the log of the new leader (or under its snapshot).
    for (let index = this.appliedIndex; index > 0; index--) {
      const own = raft.termAt(index);
      if (own === undefined && index <= raft.status().snapshotIndex) return;
      assert(own === this.#applied[index - 1]!.term, `Leader Completeness: leader ${id} of ${term} lacks ${index}`);
    }
  }

  persisted(disk: Restored): void {
    const { base, entries } = disk;
    let prevTerm = base.term;
    // The tail is enough: what lies before was checked when it was written.
    const from = Math.max(0, entries.length - 50);
    if (from > 0) prevTerm = entries[from - 1]!.term;
    for (let i = from; i < entries.length; i++) {
      const { index, term, data } = entries[i]!;
      const key = `${index}/${term}`;
      const known = this.#known.get(key);
      const text = String(data);
      if (known === undefined) this.#known.set(key, { data: text, prevTerm });
      else assert(known.data === text && known.prevTerm === prevTerm, `Log Matching: entry ${key} differs`);
      prevTerm = term;
    }
  }

  applied(id: string, entry: Entry, hash: number): void {
    const { index, term } = entry;
    const data = String(entry.data);
    this.#appliedBy.set(id, index);
    const known = this.#applied[index - 1];
    if (known === undefined) {
      assert(index === this.#applied.length + 1, `entry ${index} was applied before its predecessor`);
      this.#applied.push({ term, data, hash });
      return;
    }
    const same = known.term === term && known.data === data && known.hash === hash;
    assert(same, `State Machine Safety: ${id} applied another entry at ${index}`);
  }

  /** A read that starts now must see all that anybody has applied by now. */
  readStarted(context: number): void {
    this.#reads.set(context, this.appliedIndex);
  }

  readAnswered(context: number, index: number): void {
    const least = this.#reads.get(context);
    if (least === undefined) return;
    this.readsDone++;
    assert(index >= least, `stale read: answered at ${index}, but ${least} was applied before it began`);
  }

  /** Was this command applied? */
  hasApplied(command: number): boolean {
    const bytes = String(Uint8Array.of(command >>> 24, command >>> 16, command >>> 8, command));
    return this.#applied.some((entry) => entry.data === bytes);
  }
}
