/**
 * When the next comparison with the catalog is due: at once after a local change, soon after a failure (doubling, with
 * full jitter so that a thousand hosts do not come back together), else periodically.
 */
import type { Random } from "../base/random.ts";

export const PERIOD_MS = 60_000;
const PERIOD_JITTER = 0.5;
const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 30_000;

/** Milliseconds to wait after the `failures`-th failure in a row; 0 failures: until the next periodic comparison. */
export function nextDelayMs(failures: number, random: Random): number {
  if (failures === 0) return PERIOD_MS * (1 + PERIOD_JITTER * (random() - 0.5));
  return backoffMs(failures, { firstMs: RETRY_FIRST_MS, maxMs: RETRY_MAX_MS, random });
}

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly random: Random;
}

/** Doubles from `firstMs` to `maxMs`; the result lies between half and the whole of that. */
export function backoffMs(failures: number, { firstMs, maxMs, random }: BackoffOptions): number {
  const whole = Math.min(maxMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return whole * (0.5 + 0.5 * random());
}
