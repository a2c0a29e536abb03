/**
 * Keeps the catalog's view of this host equal to the host's own: compare, write the difference, and do so again after
 * each local change, after each reconnect and from time to time. One run at a time; a change during a run makes it run
 * once more.
 */
import { randomUUID } from "node:crypto";
import { planSync, type CatalogView, type LocalView, type SyncPlan } from "../core/antientropy/diff.ts";
import { nextDelayMs } from "../core/antientropy/schedule.ts";
import type { CheckRecord, InstanceRecord, NodeRecord } from "../core/model/catalog.ts";
import { serviceKey } from "../core/model/names.ts";
import type { Refusal } from "../io/gen/mesh/v1/mesh.ts";
import type { Logger } from "../io/logger.ts";
import { logged, reasonOf } from "./reasons.ts";
import type { ServerLink } from "./server-link.ts";

const CALL_TIMEOUT_MS = 10_000;

export interface SyncStatus {
  /** Wall time of the last complete comparison; 0: none yet. */
  readonly syncedAtMs: number;
  readonly failures: number;
  readonly lastError: string;
  readonly refusals: readonly Refusal[];
}

export interface SyncOptions {
  readonly link: ServerLink;
  readonly local: () => LocalView;
  readonly log: Logger;
  /** A comparison was completed: these services (`ns/name`) of this host are in the catalog. */
  readonly onSynced: (services: ReadonlySet<string>) => void;
}

export class CatalogSync {
  readonly #options: SyncOptions;
  #status: SyncStatus = { syncedAtMs: 0, failures: 0, lastError: "", refusals: [] };
  #running = false;
  #again = false;
  #runs = 0;
  readonly #waiting = new Set<(run: number, complete: boolean) => void>();
  #timer: NodeJS.Timeout | undefined;
  readonly #closed = new AbortController();

  constructor(options: SyncOptions) {
    this.#options = options;
  }

  status(): SyncStatus {
    return this.#status;
  }

  /** Something changed, or a server is back: compare at once. */
  trigger(): void {
    if (this.#closed.signal.aborted) return;
    clearTimeout(this.#timer);
    if (this.#running) this.#again = true;
    else void this.#run();
  }

  /** Compares once more: true once that is complete, false when it failed or took longer than `withinMs`. */
  async settled(withinMs: number): Promise<boolean> {
    const wanted = this.#runs + 1;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const ended = (run: number, complete: boolean): void => {
      if (run >= wanted) resolve(complete);
    };
    const timer = setTimeout(() => resolve(false), withinMs);
    this.#waiting.add(ended);
    try {
      this.trigger();
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(ended);
    }
  }

  close(): void {
    this.#closed.abort();
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    this.#running = true;
    this.#again = false;
    const run = ++this.#runs;
    let complete = false;
    try {
      const instances = await this.#compare();
      this.#status = { ...this.#status, syncedAtMs: Date.now(), failures: 0, lastError: "" };
      const refused = new Set(this.#status.refusals.map((refusal) => refusal.id));
      const accepted = instances.filter((instance) => !refused.has(instance.id));
      const keys = accepted.map(({ namespace, service }) => serviceKey({ namespace, name: service }));
      this.#options.onSynced(new Set(keys));
      complete = true;
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#running = false;
    }
    for (const ended of this.#waiting) ended(run, complete);
    if (this.#closed.signal.aborted) return;
    const delayMs = this.#again ? 0 : nextDelayMs(this.#status.failures, Math.random);
    this.#timer = setTimeout(() => void this.#run(), delayMs);
  }

  #failed(error: unknown): void {
    if (this.#closed.signal.aborted) return;
    const message = reasonOf(error);
    if (message !== this.#status.lastError) {
      this.#options.log.warn(logged(error), "this host's services could not be compared with the catalog");
    }
    this.#status = { ...this.#status, failures: this.#status.failures + 1, lastError: message };
  }

  /** Gives the instances that were compared. */
  async #compare(): Promise<readonly InstanceRecord[]> {
    const { link } = this.#options;
    const call = { timeoutMs: CALL_TIMEOUT_MS, signal: this.#closed.signal };
    const state = await link.call("nodeState", {}, call);
    const catalog: CatalogView = {
      node: state.nodeJson.length === 0 ? undefined : parse(state.nodeJson) as NodeRecord,
      instances: state.instancesJson.map((bytes) => parse(bytes) as InstanceRecord),
      checks: state.checksJson.map((bytes) => parse(bytes) as CheckRecord),
    };
    const local = this.#options.local();
    const plan = planSync(local, catalog);
    const request = plan === undefined ? undefined : { requestId: randomUUID(), ...encodePlan(plan) };
    const refusals = request === undefined ? [] : (await link.call("syncNode", request, call)).refusals;
    this.#noteRefusals(refusals);
    return local.instances;
  }

  #noteRefusals(refusals: readonly Refusal[]): void {
    const before = new Set(this.#status.refusals.map((refusal) => `${refusal.id} ${refusal.message}`));
    for (const refusal of refusals) {
      if (before.has(`${refusal.id} ${refusal.message}`)) continue;
      const { id, code, message, fix } = refusal;
      this.#options.log.warn({ id, code, fix }, `the servers refused it: ${message}`);
    }
    this.#status = { ...this.#status, refusals };
  }
}

const parse = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString("utf8"));
const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

function encodePlan(plan: SyncPlan) {
  return {
    nodeJson: plan.node === undefined ? Buffer.alloc(0) : encode(plan.node),
    instancesJson: plan.instances.map(encode),
    checksJson: plan.checks.map(encode),
    deleteInstances: [...plan.deleteInstances],
    deleteChecks: [...plan.deleteChecks],
  };
}
