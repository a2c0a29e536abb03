/** A service with instances on this host: its instances' connection pools and who may call it. */
import { decide } from "../core/authz/decide.ts";
import type { LocalServiceConfig, LocalInstanceConfig } from "../core/model/snapshot.ts";
import { parseServiceName } from "../core/model/names.ts";
import type { ServiceName } from "../core/model/names.ts";
import { AppPool } from "./app-pool.ts";

export interface LocalInstance {
  readonly config: LocalInstanceConfig;
  readonly pool: AppPool;
}

export class LocalService {
  readonly key: string;
  readonly name: ServiceName;
  config: LocalServiceConfig;
  /** Grows when who may call changes: what was decided under an older one is decided again. */
  policyVersion = 1;
  private instances = new Map<string, LocalInstance>();
  private decisions = new Map<string, boolean>();
  private policy = "";
  private turn = 0;

  constructor(config: LocalServiceConfig) {
    this.key = config.service;
    this.name = parseServiceName(config.service);
    this.config = config;
    this.update(config);
  }

  /** Returns whether the policy changed. */
  update(config: LocalServiceConfig): boolean {
    this.config = config;
    const old = this.instances;
    this.instances = new Map();
    for (const instance of config.instances) {
      const known = old.get(instance.id);
      const address = instance.address === "" ? "127.0.0.1" : instance.address;
      const same = known !== undefined && known.pool.host === address && known.pool.port === instance.port;
      const pool = same ? known.pool : new AppPool(address, instance.port);
      this.instances.set(instance.id, { config: instance, pool });
      if (same) old.delete(instance.id);
    }
    for (const gone of old.values()) gone.pool.close();
    const policy = JSON.stringify(config.intentions.map((one) => [one.source, one.destination, one.action]));
    if (policy === this.policy) return false;
    this.policy = policy;
    this.policyVersion++;
    this.decisions = new Map();
    return true;
  }

  /** Deny by default; decided once per caller and policy. */
  allows(caller: ServiceName, callerKey: string): boolean {
    const known = this.decisions.get(callerKey);
    if (known !== undefined) return known;
    const { allowed } = decide(this.config.intentions, caller, this.name);
    this.decisions.set(callerKey, allowed);
    return allowed;
  }

  instance(id: string): LocalInstance | undefined {
    return this.instances.get(id);
  }

  /** For callers that name none: any that is ready, in turn. */
  anyReady(): LocalInstance | undefined {
    const ready = [...this.instances.values()].filter(({ config }) => config.ready && !config.draining);
    return ready.length === 0 ? undefined : ready[this.turn++ % ready.length];
  }

  tick(nowMs: number): void {
    for (const { pool } of this.instances.values()) pool.tick(nowMs);
  }

  close(): void {
    for (const { pool } of this.instances.values()) pool.close();
    this.instances = new Map();
  }
}
