/**
 * Drives the check machines: one timer per check, one probe at a time per check, results into the machine, and what the
 * machine wants told into `onReport`. A bound on probes that run at once keeps a host with many checks responsive.
 */
import { performance } from "node:perf_hooks";
import { MeshError } from "../core/base/errors.ts";
import { CheckMachine, worstOf, type CheckEffects } from "../core/health/check.ts";
import type { CheckRecord, CheckStatus } from "../core/model/catalog.ts";
import type { CheckDefinition, ServiceDefinition } from "../core/model/service.ts";
import { runProbe } from "../io/checks/probe.ts";
import type { CheckResult } from "./local-state.ts";

const PROBES_AT_ONCE_MAX = 32;
const TIMER_MS_MAX = 2 ** 31 - 1;

export interface CheckRunnerOptions {
  readonly node: string;
  readonly restored: (checkId: string) => CheckResult | undefined;
  /** A check's status or reported output changed, or it is gone (undefined). */
  readonly onReport: (checkId: string, result: CheckResult | undefined) => void;
  readonly onDeregister: (serviceId: string, checkId: string) => void;
}

interface Entry {
  readonly service: ServiceDefinition;
  readonly machine: CheckMachine;
  readonly stop: AbortController;
  timer: NodeJS.Timeout | undefined;
}

export interface LocalCheck {
  readonly definition: CheckDefinition;
  readonly service: ServiceDefinition;
  readonly status: CheckStatus;
  readonly output: string;
}

export class CheckRunner {
  readonly #options: CheckRunnerOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #waiting: Entry[] = [];
  #probes = 0;

  constructor(options: CheckRunnerOptions) {
    this.#options = options;
  }

  /** Makes the checks those of these services; a check whose definition did not change goes on undisturbed. */
  setServices(services: readonly ServiceDefinition[]): void {
    const pairs = services.flatMap((service) => service.checks.map((check) => ({ service, check })));
    const wanted = new Map(pairs.map((pair) => [pair.check.id, pair]));
    for (const [id, entry] of this.#entries) {
      const now = wanted.get(id);
      const same = now !== undefined && now.service.id === entry.service.id
        && JSON.stringify(now.check) === JSON.stringify(entry.machine.definition);
      if (same) continue;
      this.#stop(id, entry);
      if (now === undefined) this.#options.onReport(id, undefined);
    }
    for (const [id, { service, check }] of wanted) if (!this.#entries.has(id)) this.#start(service, check);
  }

  /** Passing, warning or failing by API. Throws NOT_FOUND, or INVALID for a check that is no TTL. */
  report(checkId: string, status: CheckStatus, output: string): void {
    const entry = this.#entries.get(checkId);
    if (entry === undefined) {
      throw new MeshError("NOT_FOUND", `there is no check "${checkId}" on this host`, { fix: "mesh agent services" });
    }
    if (entry.machine.definition.probe.type !== "ttl") {
      throw new MeshError("INVALID", `check "${checkId}" is no TTL check: its status comes from its probe`);
    }
    this.#apply(checkId, entry, entry.machine.report(status, output, performance.now()));
  }

  /** The worst status of a service's checks. */
  statusOf(serviceId: string): CheckStatus {
    const own = [...this.#entries.values()].filter((entry) => entry.service.id === serviceId);
    return worstOf(own.map((entry) => entry.machine.status));
  }

  checks(): readonly LocalCheck[] {
    return [...this.#entries.values()].map(({ machine, service }) =>
      ({ definition: machine.definition, service, status: machine.status, output: machine.output }));
  }

  /** What the servers are to hold. */
  records(): readonly CheckRecord[] {
    return [...this.#entries.values()].map(({ machine, service }) => ({
      node: this.#options.node, id: machine.definition.id, name: machine.definition.name, instanceId: service.id,
      status: machine.reported.status, output: machine.reported.output, type: machine.definition.probe.type,
      notes: machine.definition.notes,
    }));
  }

  close(): void {
    for (const [id, entry] of this.#entries) this.#stop(id, entry);
  }

  #start(service: ServiceDefinition, check: CheckDefinition): void {
    const restored = this.#options.restored(check.id);
    const machine = new CheckMachine(check, {
      nowMs: performance.now(), random: Math.random, ...(restored === undefined ? {} : { restored }),
    });
    const entry: Entry = { service, machine, stop: new AbortController(), timer: undefined };
    this.#entries.set(check.id, entry);
    this.#arm(check.id, entry);
  }

  #stop(id: string, entry: Entry): void {
    clearTimeout(entry.timer);
    entry.stop.abort();
    this.#entries.delete(id);
  }

  #arm(id: string, entry: Entry): void {
    clearTimeout(entry.timer);
    if (entry.stop.signal.aborted) return;
    const dueMs = entry.machine.dueMs();
    if (dueMs === Infinity) return;
    const waitMs = Math.min(TIMER_MS_MAX, Math.max(0, dueMs - performance.now()));
    entry.timer = setTimeout(() => this.#apply(id, entry, entry.machine.tick(performance.now())), Math.ceil(waitMs));
  }

  #apply(id: string, entry: Entry, effects: CheckEffects): void {
    if (entry.stop.signal.aborted) return;
    if (effects.report) this.#options.onReport(id, entry.machine.reported);
    if (effects.run) this.#queue(entry);
    if (effects.deregister) this.#options.onDeregister(entry.service.id, id);
    this.#arm(id, entry);
  }

  #queue(entry: Entry): void {
    this.#waiting.push(entry);
    this.#next();
  }

  #next(): void {
    while (this.#probes < PROBES_AT_ONCE_MAX && this.#waiting.length > 0) {
      const entry = this.#waiting.shift()!;
      if (!entry.stop.signal.aborted) void this.#probe(entry);
    }
  }

  async #probe(entry: Entry): Promise<void> {
    const { machine, stop } = entry;
    const { probe, timeoutMs, id } = machine.definition;
    if (probe.type === "ttl") return;
    this.#probes++;
    try {
      const { status, output } = await runProbe(probe, { timeoutMs, signal: stop.signal });
      if (!stop.signal.aborted) this.#apply(id, entry, machine.result(status, output, performance.now()));
    } finally {
      this.#probes--;
      this.#next();
    }
  }
}
