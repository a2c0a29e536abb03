/**
 * What this host was told to be: registered services and maintenance, synced to disk before anything is answered, and
 * the last results of checks, which are a cache: a restart must not make every service critical until its next run.
 */
import { join } from "node:path";
import type { CheckStatus } from "../core/model/catalog.ts";
import { serviceKey } from "../core/model/names.ts";
import type { ServiceDefinition } from "../core/model/service.ts";
import { MeshError } from "../core/base/errors.ts";
import type { Logger } from "../io/logger.ts";
import { readCache, readChecked, writeChecked } from "./checked-file.ts";

/** `api`, or the file that it was read from: a reload forgets what its file no longer has. */
export type ServiceOrigin = "api" | `file:${string}`;

export interface RegisteredService {
  readonly definition: ServiceDefinition;
  readonly origin: ServiceOrigin;
  /** Why it is in maintenance; undefined when it is not. */
  readonly maintenance?: string;
}

interface Stored {
  readonly services: readonly RegisteredService[];
}

export interface CheckResult {
  readonly status: CheckStatus;
  readonly output: string;
}

const CHECKS_DELAY_MS = 500;
/** Far beyond what one machine runs; a loop that registers new ids must end somewhere. */
const SERVICES_MAX = 1_000;

export class LocalState {
  readonly #path: string;
  readonly #checksPath: string;
  readonly #log: Logger;
  readonly #services = new Map<string, RegisteredService>();
  readonly #results = new Map<string, CheckResult>();
  #timer: NodeJS.Timeout | undefined;

  /** Throws STORAGE_CORRUPT when the registrations on disk are damaged: serving without them would be silent loss. */
  constructor(dataDir: string, log: Logger) {
    this.#path = join(dataDir, "services.json");
    this.#checksPath = join(dataDir, "checks.json");
    this.#log = log;
    const stored = readChecked(this.#path) as Stored | undefined;
    for (const service of stored?.services ?? []) this.#services.set(service.definition.id, service);
    const results = readCache(this.#checksPath, (message) => log.warn(message)) as [string, CheckResult][] | undefined;
    for (const [id, result] of results ?? []) this.#results.set(id, result);
  }

  services(): readonly RegisteredService[] {
    return [...this.#services.values()];
  }

  get(id: string): RegisteredService | undefined {
    return this.#services.get(id);
  }

  /** Adds or replaces; durable when it returns. False when nothing changed. */
  put(services: readonly RegisteredService[]): boolean {
    const changed = services.filter((s) => JSON.stringify(s) !== JSON.stringify(this.#services.get(s.definition.id)));
    if (changed.length === 0) return false;
    const next = new Map(this.#services);
    for (const service of changed) next.set(service.definition.id, service);
    this.#replace(next);
    return true;
  }

  /** Durable when it returns. False when there was none. */
  remove(ids: readonly string[]): boolean {
    const next = new Map(this.#services);
    const removed = ids.filter((id) => next.delete(id));
    if (removed.length === 0) return false;
    this.#replace(next);
    return true;
  }

  result(checkId: string): CheckResult | undefined {
    return this.#results.get(checkId);
  }

  /** Remembers a check's result for the next start; written a little later. */
  setResult(checkId: string, result: CheckResult | undefined): void {
    if (result === undefined) this.#results.delete(checkId);
    else this.#results.set(checkId, result);
    this.#timer ??= setTimeout(() => this.flush(), CHECKS_DELAY_MS);
  }

  flush(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      writeChecked(this.#checksPath, [...this.#results]);
    } catch (error) {
      this.#log.error({ err: error }, "the results of checks cannot be written");
    }
  }

  #replace(next: ReadonlyMap<string, RegisteredService>): void {
    const stored: Stored = { services: [...next.values()] };
    try {
      writeChecked(this.#path, stored);
    } catch (cause) {
      throw new MeshError("STORAGE_FAILED", `${this.#path} cannot be written: ${(cause as Error).message}`, { cause });
    }
    this.#services.clear();
    for (const [id, service] of next) this.#services.set(id, service);
  }
}

/** Throws CONFLICT where the new definitions clash with those that stay: check ids, and places to listen. */
export function checkConflicts(
  incoming: readonly ServiceDefinition[], present: readonly ServiceDefinition[],
): void {
  const replaced = new Set(incoming.map((definition) => definition.id));
  const others = present.filter((definition) => !replaced.has(definition.id));
  if (others.length + incoming.length > SERVICES_MAX) {
    throw new MeshError("LIMITED", `a host holds ${SERVICES_MAX} services at most`, {
      fix: "deregister what is not needed: mesh agent services",
    });
  }
  for (const [i, definition] of incoming.entries()) {
    for (const other of [...others, ...incoming.slice(0, i)]) compareTwo(definition, other);
  }
}

function compareTwo(one: ServiceDefinition, other: ServiceDefinition): void {
  const check = one.checks.find((c) => other.checks.some((o) => o.id === c.id));
  if (check !== undefined) {
    throw new MeshError("CONFLICT", `check id "${check.id}" of service ${one.id} is taken by service ${other.id}`, {
      fix: "give each check of a host its own id, or leave the id out",
    });
  }
  for (const upstream of one.upstreams) {
    const place = placeOf(upstream);
    const twin = other.upstreams.find((o) => placeOf(o) === place);
    if (twin === undefined) continue;
    // Instances of one service may share a listener: it leads to the same place under the same identity.
    if (serviceKey(one) === serviceKey(other) && serviceKey(twin) === serviceKey(upstream)) continue;
    throw new MeshError("CONFLICT", `${place}, upstream ${upstream.name} of service ${one.id}, is taken by service ` +
      `${other.id} for ${twin.name}`, { fix: "choose another local_bind_port" });
  }
}

const placeOf = (upstream: ServiceDefinition["upstreams"][number]): string =>
  upstream.bindSocketPath === "" ? `${upstream.bindAddress}:${upstream.bindPort}` : upstream.bindSocketPath;
