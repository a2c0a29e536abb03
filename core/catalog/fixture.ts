import type { CheckRecord, InstanceRecord } from "../model/catalog.ts";
import { createCatalog } from "./catalog.ts";
import type { Catalog } from "./catalog.ts";
import { encodeCommand } from "./commands.ts";
import type { Command, IntentionInput, NodeSync } from "./commands.ts";
import type { ApplyResult } from "./records.ts";

/** What tests of the catalog start from. */
export const NOW = 1_700_000_000_000;

/** Applies with the next index. */
export function run(catalog: Catalog, command: Command, at: { requestId?: string; nowMs?: number } = {}): ApplyResult {
  const { requestId = "", nowMs = NOW } = at;
  return catalog.apply(catalog.appliedIndex + 1, encodeCommand(command, { requestId, nowMs }));
}

export const node = (name: string, id = `id-${name}`): Command =>
  ({ type: "node.upsert", node: { name, id, address: "10.0.0.1", inboundPort: 15008, meta: {} } });

export const instance = (id: string, service: string, more: Partial<InstanceRecord> = {}): InstanceRecord => ({
  node: "", id, namespace: "default", service, address: "", port: 8080, protocol: "http", tags: [], meta: {},
  weights: { passing: 1, warning: 1 }, draining: false, upstreams: [], ...more,
});

export const check = (id: string, instanceId: string, more: Partial<CheckRecord> = {}): CheckRecord => ({
  node: "", id, name: id, instanceId, status: "passing", output: "", type: "http", notes: "", ...more,
});

export const sync = (name: string, more: Partial<NodeSync> = {}): NodeSync => ({
  type: "node.sync", node: name, instances: [], checks: [], deleteInstances: [], deleteChecks: [], ...more,
});

export const intention = (
  id: string, source: string, destination: string, action: "allow" | "deny" = "allow",
): IntentionInput => {
  const name = (text: string): { namespace: string; name: string } => {
    const [namespace, service] = text.split("/");
    return { namespace: namespace!, name: service! };
  };
  return { id, source: name(source), destination: name(destination), action, description: "", meta: {} };
};

export function catalogWith(...names: string[]): Catalog {
  const catalog = createCatalog();
  for (const name of names) {
    run(catalog, node(name));
    run(catalog, { type: "node.allow", name, allow: ["*"] });
  }
  return catalog;
}
