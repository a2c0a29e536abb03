import { join } from "node:path";
import { MeshError } from "../../core/base/errors.ts";
import { raftConfig, type RaftConfig } from "../../core/raft/config.ts";
import { Raft } from "../../core/raft/raft.ts";
import type { Logger } from "../../io/logger.ts";
import { LogStore } from "../../io/storage/log-store.ts";
import { RaftDriver, type Proposed } from "./driver.ts";
import type { DriverLimits } from "./limits.ts";

/** The replicated state machine. `apply` is deterministic; what it throws stops the node. */
export interface Fsm {
  apply(index: number, command: Uint8Array): unknown;
  snapshot(): Uint8Array;
  restore(snapshot: Uint8Array): void;
  stateHash(): string;
}

export interface NodeStatus {
  readonly id: string;
  readonly leader: string | undefined;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Ids of all voters, this node among them. */
  readonly peers: readonly string[];
  /** Raft's role, or `failed` after a fatal error, or `closed`. */
  readonly state: string;
}

export interface RaftNode {
  /**
   * Resolves once the command was applied here. TIMEOUT: the outcome is unknown, it may yet be applied; a retry must
   * carry the same request id. NOT_LEADER, NO_LEADER, LIMITED, TOO_LARGE: it was not taken. The bytes must not be
   * changed afterwards.
   */
  propose(command: Uint8Array): Promise<Proposed>;
  /** A linearizable read point, resolved once the state machine has reached it. */
  readIndex(): Promise<number>;
  status(): NodeStatus;
  /** Disk error, corruption or a state machine that threw: the server must stop. */
  onFatal(listener: (error: MeshError) => void): void;
  close(): Promise<void>;
}

export interface RaftNodeOptions {
  /** The server's data folder; Raft's own is `raft` in it. */
  readonly dataDir: string;
  readonly nodeId: string;
  readonly fsm: Fsm;
  readonly log: Logger;
  /** In a new folder: begin a cluster of one. */
  readonly bootstrap: boolean;
  readonly raft?: Partial<Omit<RaftConfig, "id">>;
  readonly limits?: Partial<DriverLimits>;
}

/**
 * Opens the log, restores the newest snapshot, and runs the node. The only voter elects itself at once, and is
 * returned when the whole log is applied. Throws STORAGE_CORRUPT or STORAGE_FAILED when the disk cannot be trusted.
 */
export async function openRaftNode(options: RaftNodeOptions): Promise<RaftNode> {
  const { nodeId, fsm, log } = options;
  const dir = join(options.dataDir, "raft");
  const store = await LogStore.open({ dir, nodeId, bootstrap: options.bootstrap });
  try {
    if (store.snapshot !== undefined) fsm.restore(store.snapshot.data);
  } catch (error) {
    await store.close();
    const index = store.snapshot?.meta.index ?? 0;
    throw new MeshError("STORAGE_CORRUPT", `the state machine refused its snapshot at entry ${index}: ${error}`, {
      where: dir,
      cause: error,
    });
  }
  const raft = new Raft(raftConfig({ ...options.raft, id: nodeId }), store.restored, Math.random);
  const driver = new RaftDriver({ nodeId, raft, store, fsm, log, limits: options.limits });
  const { voters } = store.restored.membership;
  log.info({ dir, ...raft.status() }, "raft log opened");
  driver.start();
  if (voters.length === 1 && voters[0] === nodeId) {
    try {
      await driver.elect();
    } catch (error) {
      await driver.close();
      throw error;
    }
  }
  return driver;
}
