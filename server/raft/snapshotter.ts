import { assert } from "../../core/base/assert.ts";
import type { SnapshotMeta } from "../../core/raft/messages.ts";
import type { Raft } from "../../core/raft/raft.ts";
import type { Logger } from "../../io/logger.ts";
import type { LogStore } from "../../io/storage/log-store.ts";

interface Parts {
  readonly raft: Raft;
  readonly store: LogStore;
  readonly fsm: { snapshot(): Uint8Array };
  readonly log: Logger;
  readonly limits: {
    readonly snapshotEntries: number;
    readonly snapshotBytes: number;
    readonly keptEntries: number;
  };
}

/**
 * Bounds the log. The state is copied between two entries, its file is written beside the running node, and only when
 * it is durable does the node's own loop cut the log, so that there is one writer.
 */
export class Snapshotter {
  readonly #parts: Parts;
  #bytes = 0;
  #writing: Promise<void> | undefined;
  #saved: SnapshotMeta | undefined;
  #error: unknown;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Weighs one applied entry. */
  applied(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Starts one when enough was applied since the last, and none is under way. */
  takeIfDue(appliedIndex: number): void {
    const { raft, store, fsm, limits } = this.#parts;
    const { snapshotIndex, voters } = raft.status();
    const due = appliedIndex - snapshotIndex >= limits.snapshotEntries || this.#bytes >= limits.snapshotBytes;
    if (!due || this.#writing !== undefined || this.#saved !== undefined || appliedIndex === snapshotIndex) return;
    const term = raft.termAt(appliedIndex);
    assert(term !== undefined, `the term of the applied entry ${appliedIndex} is known`);
    const meta: SnapshotMeta = { index: appliedIndex, term, membership: { voters } };
    const data = fsm.snapshot();
    this.#bytes = 0;
    this.#writing = store.snapshots.save(meta, data).then(
      () => {
        this.#saved = meta;
        this.#writing = undefined;
        this.#parts.log.info({ index: meta.index, bytes: data.length }, "snapshot saved");
      },
      (error: unknown) => {
        this.#error = error;
        this.#writing = undefined;
      },
    );
  }

  /** Cuts the log if a snapshot was saved meanwhile; throws what its writing threw. */
  async compactIfSaved(): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    const meta = this.#saved;
    if (meta === undefined) return;
    this.#saved = undefined;
    const compactTo = Math.max(0, meta.index - this.#parts.limits.keptEntries);
    await this.#parts.store.compact(compactTo);
    this.#parts.raft.compact(meta, compactTo);
    await this.#parts.store.snapshots.prune();
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    await this.#writing;
  }
}
