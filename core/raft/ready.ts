import type { Entry, HardState, Message, SnapshotMeta } from "./messages.ts";
import type { ReadState } from "./reads.ts";

/**
 * What the driver must do next, in this order:
 *
 *  1. send `messages` (any time, also while step 2 runs);
 *  2. if `mustSync`: keep `snapshot` (if any), then write `entries` and `hardState` in one synced batch; entries
 *     that begin at or below the last written index replace everything from there on;
 *  3. send `messagesAfterSync`;
 *  4. restore the state machine from `snapshot`, apply `committed` in order (they are on this disk already, so this
 *     may run beside step 2 when there is no snapshot), answer `readStates` once their index is applied;
 *  5. call `advance()`.
 *
 * Between `ready()` and `advance()` the machine may be stepped, ticked and proposed to; there is one Ready at a time.
 */
export interface Ready {
  readonly messages: readonly Message[];
  readonly messagesAfterSync: readonly Message[];
  readonly hardState: HardState;
  /** False when only the commit index moved: it is a hint and can wait for the next batch. */
  readonly mustSync: boolean;
  readonly entries: readonly Entry[];
  readonly snapshot: SnapshotMeta | undefined;
  readonly committed: readonly Entry[];
  readonly readStates: readonly ReadState[];
}
