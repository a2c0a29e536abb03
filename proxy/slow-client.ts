// hot: told of every request
/** How long a client may take (pitfall 47): for a request's head, between requests, for a body. */
const HEAD_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 75_000;
/** A body must bring BODY_BYTES_MIN in every such period in which we would have taken it. */
const BODY_PERIOD_MS = 10_000;
const BODY_BYTES_MIN = 1_024;

/** What the client is doing, for `judge`. */
export interface ClientPhase {
  readonly busy: boolean;
  readonly inHead: boolean;
  readonly requestDone: boolean;
  /** We do not read: not the client's fault. */
  readonly paused: boolean;
}

export class SlowClient {
  private sinceMs: number;
  private bodyBytes = 0;

  constructor(nowMs: number) {
    this.sinceMs = nowMs;
  }

  /** Another phase begins. */
  restart(nowMs: number): void {
    this.sinceMs = nowMs;
    this.bodyBytes = BODY_BYTES_MIN;
  }

  /** Body bytes came; or we did not read for a while, which counts as if. */
  body(size = BODY_BYTES_MIN): void {
    this.bodyBytes += size;
  }

  /** About once a second. */
  judge(nowMs: number, phase: ClientPhase): "head" | "idle" | "body" | undefined {
    const waited = nowMs - this.sinceMs;
    if (!phase.busy) {
      if (phase.inHead) return waited > HEAD_TIMEOUT_MS ? "head" : undefined;
      return waited > IDLE_TIMEOUT_MS ? "idle" : undefined;
    }
    if (phase.requestDone || waited <= BODY_PERIOD_MS) return undefined;
    const slow = this.bodyBytes < BODY_BYTES_MIN && !phase.paused;
    this.sinceMs = nowMs;
    this.bodyBytes = 0;
    return slow ? "body" : undefined;
  }
}
