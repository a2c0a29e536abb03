/** Pace and bounds of the driver. */
export interface DriverLimits {
  /** Length of a tick. Default 50 ms: with 8 election ticks a dead leader is missed after 400-800 ms. */
  readonly tickMs: number;
  /** How long a proposal or read may wait. Default 10 s. */
  readonly requestTimeoutMs: number;
  /** Proposals that wait for their outcome. Default 16,384; more are refused with LIMITED. */
  readonly maxPendingProposals: number;
  /** Bytes of one command. Default 16 MiB. */
  readonly maxCommandBytes: number;
  /** Applied entries between two snapshots. Default 8,192. */
  readonly snapshotEntries: number;
  /** Applied bytes that bring the next snapshot forward. Default 64 MiB. */
  readonly snapshotBytes: number;
  /** Entries kept before a snapshot for followers that are a little behind. Default 1,024. */
  readonly keptEntries: number;
}

export const DRIVER_LIMITS: DriverLimits = {
  tickMs: 50,
  requestTimeoutMs: 10_000,
  maxPendingProposals: 16_384,
  maxCommandBytes: 16 * 1024 * 1024,
  snapshotEntries: 8_192,
  snapshotBytes: 64 * 1024 * 1024,
  keptEntries: 1_024,
};
