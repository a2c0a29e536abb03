/**
 * One check as a machine without a clock. The driver asks `dueMs`, waits until then, calls `tick`, runs the probe when
 * told to, and brings back its result; time is monotonic milliseconds.
 *
 * Status, as in Consul: a result changes it only after enough of its kind in a row (successBeforePassing counts passing
 * and warning results; failures below failuresBeforeCritical may show as warning). A TTL check is critical once nobody
 * reported for its time.
 *
 * Flap damping: a status that changed FLAP_CHANGES times within a window may still get worse at once, but better only
 * after FLAP_GOOD good results in a row, until a window passes without a change: callers are not sent back and forth.
 *
 * What the servers are told (`reported`) follows a status at once, and an output that changes alone at most once in
 * OUTPUT_REPORT_MS: a check that prints the time of day must not write to the Raft log at each run.
 */
import type { Random } from "../base/random.ts";
import type { CheckStatus } from "../model/catalog.ts";
import type { CheckDefinition } from "../model/service.ts";
import { boundOutput } from "./output.ts";

export const OUTPUT_REPORT_MS = 60_000;
export const FLAP_CHANGES = 6;
export const FLAP_GOOD = 3;
const FLAP_WINDOW_INTERVALS = 20;
const FLAP_WINDOW_MIN_MS = 30_000;
/** Runs spread by this share of the interval, or a host's checks would all fall on the same moment. */
const JITTER = 0.1;

const SEVERITY: Readonly<Record<CheckStatus, number>> = { passing: 0, warning: 1, critical: 2 };

export interface CheckEffects {
  /** Start the probe now; its outcome comes back by `result`. */
  readonly run: boolean;
  /** `reported` changed: tell the servers. */
  readonly report: boolean;
  /** Critical for longer than its definition allows: deregister the service. */
  readonly deregister: boolean;
}

export interface CheckOptions {
  readonly nowMs: number;
  readonly random: Random;
  /** What it was before the agent restarted. */
  readonly restored?: { readonly status: CheckStatus; readonly output: string };
}

const NOTHING: CheckEffects = { run: false, report: false, deregister: false };

export class CheckMachine {
  readonly definition: CheckDefinition;
  status: CheckStatus;
  output: string;
  reported: { readonly status: CheckStatus; readonly output: string };
  readonly #random: Random;
  readonly #windowMs: number;
  #running = false;
  #nextRunMs: number;
  #reportedAtMs: number;
  #criticalSinceMs: number | undefined;
  #successes = 0;
  #failures = 0;
  #changes: number[] = [];

  constructor(definition: CheckDefinition, { nowMs, random, restored }: CheckOptions) {
    this.definition = definition;
    this.#random = random;
    this.status = restored?.status ?? definition.initialStatus;
    this.output = restored?.output ?? "";
    this.reported = { status: this.status, output: this.output };
    this.#reportedAtMs = nowMs;
    this.#windowMs = Math.max(FLAP_WINDOW_MIN_MS, FLAP_WINDOW_INTERVALS * definition.intervalMs);
    this.#criticalSinceMs = this.status === "critical" ? nowMs : undefined;
    // A new check runs at once; a TTL gets its whole time from now.
    this.#nextRunMs = definition.probe.type === "ttl" ? nowMs + definition.probe.ttlMs : nowMs;
  }

  /** The status goes back and forth: it improves only after FLAP_GOOD good results. */
  flapping(nowMs: number): boolean {
    this.#changes = this.#changes.filter((at) => at > nowMs - this.#windowMs);
    return this.#changes.length >= FLAP_CHANGES;
  }

  /** When `tick` has something to do next; Infinity while a probe runs and nothing else is near. */
  dueMs(): number {
    const { deregisterCriticalAfterMs } = this.definition;
    const run = this.#running ? Infinity : this.#nextRunMs;
    const gone = this.#criticalSinceMs === undefined || deregisterCriticalAfterMs === 0
      ? Infinity : this.#criticalSinceMs + deregisterCriticalAfterMs;
    const report = this.output === this.reported.output ? Infinity : this.#reportedAtMs + OUTPUT_REPORT_MS;
    return Math.min(run, gone, report);
  }

  tick(nowMs: number): CheckEffects {
    let report = this.#reportOutput(nowMs);
    let run = false;
    if (!this.#running && nowMs >= this.#nextRunMs) {
      if (this.definition.probe.type === "ttl") {
        report = this.#set("critical", `TTL expired; last output: ${this.output}`, nowMs) || report;
        this.#nextRunMs = Infinity;
      } else {
        run = true;
        this.#running = true;
        this.#nextRunMs = nowMs + this.definition.intervalMs * (1 + JITTER * (this.#random() - 0.5));
      }
    }
    const after = this.definition.deregisterCriticalAfterMs;
    const since = this.#criticalSinceMs;
    const deregister = after > 0 && since !== undefined && nowMs >= since + after;
    return run || report || deregister ? { run, report, deregister } : NOTHING;
  }

  /** The probe that `tick` asked for ended. */
  result(status: CheckStatus, output: string, nowMs: number): CheckEffects {
    this.#running = false;
    return { ...NOTHING, report: this.#take(status, output, nowMs) };
  }

  /** Somebody reported for a TTL check: counts at once. */
  report(status: CheckStatus, output: string, nowMs: number): CheckEffects {
    const { probe } = this.definition;
    if (probe.type === "ttl") this.#nextRunMs = nowMs + probe.ttlMs;
    return { ...NOTHING, report: this.#set(status, boundOutput(output), nowMs) };
  }

  #take(status: CheckStatus, text: string, nowMs: number): boolean {
    const output = boundOutput(text);
    const { successBeforePassing, failuresBeforeWarning, failuresBeforeCritical } = this.definition;
    if (status === "critical") {
      this.#successes = 0;
      this.#failures++;
      if (this.#failures >= failuresBeforeCritical) return this.#set("critical", output, nowMs);
      if (this.#failures >= failuresBeforeWarning) return this.#set("warning", output, nowMs);
      return this.#keep(output, nowMs);
    }
    this.#failures = 0;
    this.#successes++;
    const better = SEVERITY[status] < SEVERITY[this.status];
    const needed = better && this.flapping(nowMs) ? Math.max(FLAP_GOOD, successBeforePassing) : successBeforePassing;
    return this.#successes >= needed ? this.#set(status, output, nowMs) : this.#keep(output, nowMs);
  }

  /** The result did not count yet; its output is shown all the same. */
  #keep(output: string, nowMs: number): boolean {
    this.output = output;
    return this.#reportOutput(nowMs);
  }

  #set(status: CheckStatus, output: string, nowMs: number): boolean {
    this.output = output;
    if (status === this.status) return this.#reportOutput(nowMs);
    this.#changes.push(nowMs);
    this.status = status;
    this.#criticalSinceMs = status === "critical" ? nowMs : undefined;
    this.reported = { status, output };
    this.#reportedAtMs = nowMs;
    return true;
  }

  #reportOutput(nowMs: number): boolean {
    // The first output of a check is worth a report of its own: until then nothing explains its status.
    const waited = nowMs - this.#reportedAtMs >= OUTPUT_REPORT_MS || this.reported.output === "";
    if (this.output === this.reported.output || !waited) return false;
    this.reported = { status: this.status, output: this.output };
    this.#reportedAtMs = nowMs;
    return true;
  }
}

/** The worst of them; passing when there are none. */
export function worstOf(statuses: readonly CheckStatus[]): CheckStatus {
  let worst: CheckStatus = "passing";
  for (const status of statuses) if (SEVERITY[status] > SEVERITY[worst]) worst = status;
  return worst;
}
