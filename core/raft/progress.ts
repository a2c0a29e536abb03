import { assert } from "../base/assert.ts";
import type { RaftConfig } from "./config.ts";

/**
 * What the leader believes about one node's log.
 *
 *  - `probe`: it does not know where the logs part; one append is on the way at a time.
 *  - `replicate`: they agree up to `match`; appends are sent ahead (`next`) within the in-flight bounds.
 *  - `snapshot`: the entries needed are gone; nothing is sent until the snapshot has arrived or failed.
 */
export type ProgressState = "probe" | "replicate" | "snapshot";

interface Inflight {
  readonly lastIndex: number;
  readonly bytes: number;
}

export class Progress {
  state: ProgressState = "probe";
  /** Highest index known to be on that node's disk. */
  match = 0;
  /** Next index to send. Always above match. */
  next: number;
  /** Index of the snapshot on its way, in state `snapshot`. */
  snapshotIndex = 0;
  /** It answered since the last CheckQuorum. */
  recentlyActive = false;
  #paused = false;
  #inflight: Inflight[] = [];
  #inflightBytes = 0;
  readonly #limits: RaftConfig;

  constructor(next: number, limits: RaftConfig) {
    this.next = next;
    this.#limits = limits;
  }

  get paused(): boolean {
    return this.state === "snapshot" || this.#paused;
  }

  get inflightFull(): boolean {
    return (
      this.#inflight.length >= this.#limits.maxInflightMessages || this.#inflightBytes >= this.#limits.maxInflightBytes
    );
  }

  get inflightCount(): number {
    return this.#inflight.length;
  }

  becomeProbe(): void {
    const next = this.state === "snapshot" ? Math.max(this.match, this.snapshotIndex) + 1 : this.match + 1;
    this.#reset("probe");
    this.next = next;
  }

  becomeReplicate(): void {
    this.#reset("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#reset("snapshot");
    this.snapshotIndex = index;
    this.next = index + 1;
  }

  /** The snapshot did not arrive: start again from what is known. */
  snapshotFailed(): void {
    this.snapshotIndex = 0;
    this.becomeProbe();
  }

  /** Called for each append sent; `count` entries ending before the new `next`. */
  sent(count: number, bytes: number): void {
    if (count > 0 && this.state === "replicate") {
      this.next += count;
      this.#inflight.push({ lastIndex: this.next - 1, bytes });
      this.#inflightBytes += bytes;
    }
    this.#paused = this.state === "replicate" ? this.inflightFull : this.#paused || count > 0;
  }

  /** An append was accepted up to `index`. True when that is news. */
  accepted(index: number): boolean {
    this.next = Math.max(this.next, index + 1);
    if (index <= this.match) return false;
    this.match = index;
    this.#paused = false;
    return true;
  }

  /** Frees what was acknowledged by `index`. */
  freeInflight(index: number): void {
    let freed = 0;
    while (freed < this.#inflight.length && this.#inflight[freed]!.lastIndex <= index) {
      this.#inflightBytes -= this.#inflight[freed]!.bytes;
      freed++;
    }
    if (freed > 0) this.#inflight.splice(0, freed);
  }

  /**
   * An append at `rejected` did not match. False when the answer is a stale one, from before a newer state of
   * things. Otherwise `next` moves back, to `hint` + 1 at most, and never below match + 1.
   */
  rejected(rejected: number, hint: number): boolean {
    if (this.state === "snapshot") return false;
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.#paused = false;
    return true;
  }

  /** A heartbeat came back: whatever was lost before, one message may go again. */
  resume(): void {
    this.#paused = false;
  }

  #reset(state: ProgressState): void {
    assert(this.next > this.match, "next must stay above match");
    this.state = state;
    this.snapshotIndex = 0;
    this.#paused = false;
    this.#inflight = [];
    this.#inflightBytes = 0;
  }
}
