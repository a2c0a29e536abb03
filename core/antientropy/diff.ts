/**
 * What must be written so that the catalog says of this host what the host knows of itself. The host is the authority
 * on its own services and checks: whatever else the catalog has under its name goes. Applying the plan and comparing
 * again gives nothing (but for rows that the servers refuse).
 */
import type { NodeInput } from "../catalog/commands.ts";
import { sameRow } from "../catalog/normalize.ts";
import type { CheckRecord, InstanceRecord, NodeRecord } from "../model/catalog.ts";

export interface LocalView {
  readonly node: NodeInput;
  readonly instances: readonly InstanceRecord[];
  readonly checks: readonly CheckRecord[];
}

export interface CatalogView {
  readonly node: NodeRecord | undefined;
  readonly instances: readonly InstanceRecord[];
  readonly checks: readonly CheckRecord[];
}

/** One SyncNode call. */
export interface SyncPlan {
  readonly node: NodeInput | undefined;
  readonly instances: readonly InstanceRecord[];
  readonly checks: readonly CheckRecord[];
  readonly deleteInstances: readonly string[];
  readonly deleteChecks: readonly string[];
}

/** Undefined when both say the same. Rows are sorted by id. */
export function planSync(local: LocalView, catalog: CatalogView): SyncPlan | undefined {
  const node = catalog.node !== undefined && sameNode(local.node, catalog.node) ? undefined : local.node;
  const instances = compare(local.instances, catalog.instances);
  const checks = compare(local.checks, catalog.checks);
  const plan: SyncPlan = {
    node,
    instances: instances.upserts,
    checks: checks.upserts,
    deleteInstances: instances.deletes,
    deleteChecks: checks.deletes,
  };
  const size = plan.instances.length + plan.checks.length + plan.deleteInstances.length + plan.deleteChecks.length;
  return node === undefined && size === 0 ? undefined : plan;
}

function sameNode(local: NodeInput, known: NodeRecord): boolean {
  return local.name === known.name && local.id === known.id && local.address === known.address
    && local.inboundPort === known.inboundPort && sameRow(local.meta, known.meta);
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byId = (a: { id: string }, b: { id: string }): number => byText(a.id, b.id);

function compare<T extends { readonly id: string }>(
  local: readonly T[], known: readonly T[],
): { upserts: T[]; deletes: string[] } {
  const there = new Map(known.map((row) => [row.id, row]));
  const here = new Set(local.map((row) => row.id));
  const upserts = local.filter((row) => !sameRow(row, there.get(row.id))).sort(byId);
  const deletes = known.map((row) => row.id).filter((id) => !here.has(id)).sort(byText);
  return { upserts, deletes };
}
