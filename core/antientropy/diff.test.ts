import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { CheckRecord, InstanceRecord } from "../model/catalog.ts";
import { planSync, type CatalogView, type LocalView, type SyncPlan } from "./diff.ts";
import { nextDelayMs } from "./schedule.ts";

const node = { name: "n1", id: "id-1", address: "127.0.1.1", inboundPort: 15_008, meta: {} };
const nodeRecord = { ...node, allow: ["*"], modifyIndex: 7, createIndex: 3 };

const instance = (id: string, port: number): InstanceRecord => ({
  node: "n1", id, namespace: "default", service: "web", address: "", port, protocol: "http", tags: ["a"],
  meta: { version: "v1" }, weights: { passing: 1, warning: 1 }, draining: false, upstreams: [],
});
const check = (id: string, instanceId: string, status: CheckRecord["status"]): CheckRecord =>
  ({ node: "n1", id, name: "", instanceId, status, output: "", type: "http", notes: "" });

/** What the servers do with a plan, as simply as it can be said: the oracle. */
function apply(catalog: CatalogView, plan: SyncPlan): CatalogView {
  const kept = catalog.instances.filter((i) => !plan.deleteInstances.includes(i.id)
    && !plan.instances.some((p) => p.id === i.id));
  const checks = catalog.checks.filter((c) => !plan.deleteInstances.includes(c.instanceId)
    && !plan.deleteChecks.includes(c.id) && !plan.checks.some((p) => p.id === c.id));
  return {
    node: plan.node === undefined ? catalog.node : { ...nodeRecord, ...plan.node },
    instances: [...kept, ...plan.instances],
    checks: [...checks, ...plan.checks],
  };
}

const ids = fc.constantFrom("a", "b", "c", "d");
const instances = fc.uniqueArray(fc.tuple(ids, fc.nat(2)), { selector: ([id]) => id })
  .map((list) => list.map(([id, port]) => instance(id, port)));
const world = instances.chain((list) => {
  const owners = fc.constantFrom("", ...list.map((i) => i.id));
  const statuses = fc.constantFrom("passing" as const, "critical" as const);
  return fc.uniqueArray(fc.tuple(ids, owners, statuses), { selector: ([id]) => id })
    .map((checks) => checks.map(([id, owner, status]) => check(`c${id}`, owner, status)))
    .map((checks) => ({ instances: list, checks }));
});

test("applying the plan makes both equal: comparing again finds nothing", () => {
  fc.assert(fc.property(world, world, fc.boolean(), (here, there, known) => {
    const local: LocalView = { node, ...here };
    const catalog: CatalogView = { node: known ? nodeRecord : undefined, ...there };
    const plan = planSync(local, catalog);
    const after = plan === undefined ? catalog : apply(catalog, plan);
    expect(planSync(local, after)).toBeUndefined();
  }));
});

test("equal views need no call, whatever order they come in and whatever indexes the catalog adds", () => {
  const checks = [check("c", "a", "passing")];
  const local: LocalView = { node, instances: [instance("a", 1), instance("b", 2)], checks };
  const instances = [{ ...instance("b", 2), modifyIndex: 9, createIndex: 1 }, instance("a", 1)];
  expect(planSync(local, { node: nodeRecord, instances, checks })).toBeUndefined();
});

test("what others wrote under the host's name goes, and a changed address is written", () => {
  const local: LocalView = { node: { ...node, inboundPort: 1 }, instances: [], checks: [] };
  expect(planSync(local, { node: nodeRecord, instances: [instance("x", 1)], checks: [check("y", "", "passing")] }))
    .toEqual({ node: local.node, instances: [], checks: [], deleteInstances: ["x"], deleteChecks: ["y"] });
});

test("retries double from 250 ms to 30 s with jitter; without failures a minute, give or take a quarter", () => {
  expect([1, 2, 3, 20].map((failures) => nextDelayMs(failures, () => 1))).toEqual([250, 500, 1000, 30_000]);
  expect(nextDelayMs(1, () => 0)).toBe(125);
  expect([nextDelayMs(0, () => 0), nextDelayMs(0, () => 1)]).toEqual([45_000, 75_000]);
});
