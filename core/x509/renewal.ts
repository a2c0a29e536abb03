/**
 * When a certificate is renewed: as values, without a timer. The host asks renewalPhase at every tick and on every
 * wake-up instead of sleeping until an instant, so that a clock that jumps, or a laptop that slept, is noticed at the
 * next tick (pitfall 37).
 *
 *   notBefore ........ 1/2 ~~~ 2/3 ........ alarm ........ notAfter
 *          fresh        due (retries)         |   due, alarming   |  expired: nothing is accepted with it any more
 */
import type { Random } from "../base/random.ts";
import { MINUTE_MS, SECOND_MS } from "../base/time.ts";

const FIRST_RETRY_MS = SECOND_MS;
const RETRY_MS_MAX = 10 * MINUTE_MS;
/** However little time is left, it holds this many attempts. */
const ATTEMPTS_LEFT_MIN = 10;

/** Wall time at which to renew: uniform between 1/2 and 2/3 of the certificate's life, so that hosts spread out. */
export function renewAt(notBeforeMs: number, notAfterMs: number, random: Random): number {
  const life = notAfterMs - notBeforeMs;
  return notBeforeMs + life * (1 / 2 + random() / 6);
}

export interface Renewal {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Wall time of the next attempt. */
  readonly attemptAtMs: number;
  /** In a row. */
  readonly failures: number;
  /** Wall time at which people are to be alarmed if no attempt succeeds until then: half of what was left when due. */
  readonly alarmAtMs: number;
}

/** The plan for a certificate that was just issued. */
export function planRenewal(notBeforeMs: number, notAfterMs: number, random: Random): Renewal {
  const attemptAtMs = renewAt(notBeforeMs, notAfterMs, random);
  const alarmAtMs = attemptAtMs + (notAfterMs - attemptAtMs) / 2;
  return { notBeforeMs, notAfterMs, attemptAtMs, failures: 0, alarmAtMs };
}

/**
 * The plan after an attempt failed: doubled waits from 1 s to 10 min with jitter of half of it, and shorter ones when
 * the end comes near, down to one a second.
 */
export function renewalFailed(plan: Renewal, nowMs: number, random: Random): Renewal {
  const failures = plan.failures + 1;
  const doubled = Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 30), RETRY_MS_MAX);
  const share = Math.max(FIRST_RETRY_MS, (plan.notAfterMs - nowMs) / ATTEMPTS_LEFT_MIN);
  const waitMs = Math.min(doubled, share) * (0.5 + random() / 2);
  return { ...plan, failures, attemptAtMs: nowMs + waitMs };
}

export type RenewalPhase = "not_yet_valid" | "fresh" | "due" | "expired";

export interface RenewalState {
  readonly phase: RenewalPhase;
  /** An attempt is to be made now. */
  readonly attempt: boolean;
  /** Something has been wrong for so long that people must know. */
  readonly alarm: boolean;
  /** How long this host would go on without any server; 0 when it has ended. */
  readonly autonomyMs: number;
}

/**
 * What to do now. While this host's clock is behind notBefore a new certificate would help no more than this one has,
 * so there is an alarm and no attempt. A clock that jumped back behind a planned retry calls for one at once.
 */
export function renewalState(plan: Renewal, nowMs: number): RenewalState {
  const autonomyMs = Math.max(0, plan.notAfterMs - nowMs);
  if (nowMs < plan.notBeforeMs) return { phase: "not_yet_valid", attempt: false, alarm: true, autonomyMs };
  if (nowMs > plan.notAfterMs) return { phase: "expired", attempt: nowMs >= plan.attemptAtMs, alarm: true, autonomyMs };
  const jumpedBack = plan.failures > 0 && plan.attemptAtMs - nowMs > RETRY_MS_MAX;
  const attempt = nowMs >= plan.attemptAtMs || jumpedBack;
  const phase = attempt || plan.failures > 0 ? "due" : "fresh";
  return { phase, attempt, alarm: nowMs >= plan.alarmAtMs, autonomyMs };
}
