import type { CheckRecord, CheckStatus, InstanceRecord } from "../model/catalog.ts";
import type { Command, IntentionInput, NodeInput, NodeSync } from "./commands.ts";

/** A deliberately stupid catalog: lists and full scans, no index, no memory of what changed. Tests compare with it. */
export class Oracle {
  nodes: (NodeInput & { allow: string[]; revoked: boolean })[] = [];
  instances: InstanceRecord[] = [];
  checks: CheckRecord[] = [];
  intentions: IntentionInput[] = [];

  apply(command: Command): void {
    switch (command.type) {
      case "node.upsert": return this.#upsert(command.node);
      case "node.delete": {
        this.#clear(command.name);
        this.nodes = this.nodes.filter((n) => n.name !== command.name);
        return;
      }
      case "node.allow": return this.#setAllow(command.name, (allow) => [...allow, ...command.allow]);
      case "node.disallow": return this.#disallow(command.name, command.allow);
      case "node.revoke": {
        const node = this.nodes.find((n) => n.name === command.name);
        if (node === undefined) return;
        this.#clear(command.name);
        Object.assign(node, { allow: [], revoked: true });
        return;
      }
      case "node.sync": return this.#sync(command);
      case "intention.put": return this.#putIntention(command.intention);
      case "intention.delete": {
        this.intentions = this.intentions.filter((i) => i.id !== command.id);
        return;
      }
      default:
    }
  }

  status(instance: InstanceRecord): CheckStatus {
    const mine = this.checks.filter((c) => c.node === instance.node
      && (c.instanceId === "" || c.instanceId === instance.id));
    for (const status of ["critical", "warning"] as const) if (mine.some((c) => c.status === status)) return status;
    return "passing";
  }

  #upsert(input: NodeInput): void {
    const old = this.nodes.find((n) => n.name === input.name);
    if (old?.revoked || (old !== undefined && old.id !== input.id)) return;
    if (this.nodes.some((n) => n.id === input.id && n.name !== input.name)) return;
    if (old === undefined) this.nodes.push({ ...input, allow: [], revoked: false });
    else Object.assign(old, input);
  }

  #setAllow(name: string, change: (allow: string[]) => string[]): void {
    const node = this.nodes.find((n) => n.name === name);
    if (node !== undefined) node.allow = [...new Set(change(node.allow))].sort();
  }

  #disallow(name: string, gone: readonly string[]): void {
    this.#setAllow(name, (allow) => allow.filter((p) => !gone.includes(p)));
    for (const instance of this.instances.filter((i) => i.node === name && !this.#covered(i))) this.#remove(instance);
  }

  #covered(instance: InstanceRecord): boolean {
    const allow = this.nodes.find((n) => n.name === instance.node)?.allow ?? [];
    const { namespace, service } = instance;
    return ["*", `${namespace}/*`, `${namespace}/${service}`].some((pattern) => allow.includes(pattern));
  }

  #remove(instance: InstanceRecord): void {
    this.instances = this.instances.filter((i) => i !== instance);
    this.checks = this.checks.filter((c) => c.node !== instance.node || c.instanceId !== instance.id);
  }

  #clear(node: string): void {
    this.instances = this.instances.filter((i) => i.node !== node);
    this.checks = this.checks.filter((c) => c.node !== node);
  }

  #sync(sync: NodeSync): void {
    const { node } = sync;
    const known = this.nodes.find((n) => n.name === node);
    if (known === undefined || known.revoked) return;
    for (const id of sync.deleteInstances) {
      for (const instance of this.instances.filter((i) => i.node === node && i.id === id)) this.#remove(instance);
    }
    this.checks = this.checks.filter((c) => c.node !== node || !sync.deleteChecks.includes(c.id));
    for (const row of sync.instances) {
      const instance = { ...row, node };
      if (!this.#covered(instance)) continue;
      this.instances = [...this.instances.filter((i) => i.node !== node || i.id !== row.id), instance];
    }
    for (const row of sync.checks) {
      if (row.instanceId !== "" && !this.instances.some((i) => i.node === node && i.id === row.instanceId)) continue;
      this.checks = [...this.checks.filter((c) => c.node !== node || c.id !== row.id), { ...row, node }];
    }
  }

  #putIntention(input: IntentionInput): void {
    const pair = (i: IntentionInput): string => JSON.stringify([i.source, i.destination]);
    if (this.intentions.some((i) => i.id === input.id && pair(i) !== pair(input))) return;
    const old = this.intentions.find((i) => pair(i) === pair(input));
    this.intentions = [...this.intentions.filter((i) => i !== old), { ...input, id: old?.id ?? input.id }];
  }
}
