import { MeshError } from "../core/base/errors.ts";

export interface Rate {
  /** Takes at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** Callers that are remembered; the one that has been quiet for longest is forgotten, and with it its debt. */
const KEYS_MAX = 10_000;

/** A token bucket per caller and one over all callers. `nowMs` is monotonic. */
export class RateLimiter {
  readonly #each: Rate;
  readonly #all: Rate;
  readonly #nowMs: () => number;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(limits: { each: Rate; all: Rate; nowMs: () => number }) {
    this.#each = limits.each;
    this.#all = limits.all;
    this.#nowMs = limits.nowMs;
  }

  /** Throws LIMITED when the caller, or all callers together, want too much; `what` names it in the message. */
  take(key: string, what: string): void {
    if (!this.#takeFrom(`one/${key}`, this.#each) || !this.#takeFrom("all", this.#all)) {
      throw new MeshError("LIMITED", `too many ${what}`);
    }
  }

  #takeFrom(key: string, rate: Rate): boolean {
    const nowMs = this.#nowMs();
    const old = this.#buckets.get(key) ?? { tokens: rate.burst, atMs: nowMs };
    const tokens = Math.min(rate.burst, old.tokens + ((nowMs - old.atMs) / 1000) * rate.perSecond);
    const taken = tokens >= 1;
    // Written again at the end of the map: its order is that of last use.
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: taken ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#buckets.size > KEYS_MAX) this.#buckets.delete(this.#buckets.keys().next().value!);
    return taken;
  }
}
