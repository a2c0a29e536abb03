import { allows, notAllowedMessage } from "../authz/allow.ts";
import type { CheckRecord, InstanceRecord, NodeRecord } from "../model/catalog.ts";
import { ok, refuse, write } from "./apply-context.ts";
import type { ApplyContext } from "./apply-context.ts";
import type { NodeAllow, NodeDelete, NodeDisallow, NodeInput, NodeRevoke, NodeSync, NodeUpsert } from "./commands.ts";
import { checkFault, instanceFault, isNodeName, isPort } from "./normalize.ts";
import type { ApplyRefused, ApplyResult, Refusal } from "./records.ts";
import { onNode, serviceGroup } from "./state.ts";
import { byText } from "./table.ts";
import { virtualIp } from "./vips.ts";

/** One host cannot fill the catalog for all (pitfall 11). */
export const MAX_INSTANCES_PER_NODE = 10_000;
const MAX_CHECKS_PER_NODE = 40_000;

/** Why the host may not write under this name, or undefined. A revoked name is free for whoever has a new ticket. */
export function nodeConflict(context: ApplyContext, name: string, id: string): ApplyRefused | undefined {
  if (!isNodeName(name)) {
    return refuse("INVALID", `"${name}" is not a node name`, "use letters, digits, dots, hyphens and underscores");
  }
  const old = context.state.nodes.get(name);
  if (old !== undefined && old.id !== id && old.revoked !== true) {
    return refuse("CONFLICT", `node name "${name}" belongs to another host (id ${old.id})`,
      `choose another --node name, or if that host is gone for ever: mesh acl node revoke ${name}`);
  }
  const holder = context.state.nodeNames.get(id);
  if (holder !== undefined && holder !== name) {
    return refuse("CONFLICT", `host ${id} is already in the mesh as node "${holder}"`,
      `keep that name (--node ${holder}), or start with an empty data folder`);
  }
  return undefined;
}

const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])].sort(byText);

/** Writes what a host says of itself, keeping what only the server decides; `grant`: it joins now, with this. */
export function writeNode(context: ApplyContext, input: NodeInput, grant?: readonly string[]): NodeRecord {
  const old = context.state.nodes.get(input.name);
  const kept = old?.revoked === true ? undefined : old;
  const record: NodeRecord = {
    ...kept,
    name: input.name,
    id: input.id,
    address: input.address,
    inboundPort: input.inboundPort,
    meta: input.meta,
    allow: grant === undefined ? (kept?.allow ?? []) : union(kept?.allow ?? [], grant),
    ...(grant === undefined ? {} : { joinedAtMs: context.nowMs }),
  };
  return write(context, context.state.nodes, [record.name, record]);
}

export function nodeUpsert(context: ApplyContext, { node }: NodeUpsert): ApplyResult {
  const conflict = nodeConflict(context, node.name, node.id) ?? nodeFault(node) ?? revokedFault(context, node.name);
  return conflict ?? ok(context, { node: writeNode(context, node) });
}

/** Bytes of a host's own meta as JSON, and characters of its address: every caller's host holds them. */
const MAX_META_LENGTH = 16_384;
const MAX_ADDRESS_LENGTH = 253;

function nodeFault({ inboundPort, address, meta }: NodeInput): ApplyRefused | undefined {
  if (!isPort(inboundPort)) return refuse("INVALID", `inboundPort ${inboundPort} is no port`);
  if (address.length > MAX_ADDRESS_LENGTH) return refuse("INVALID", "the address is longer than a host name can be");
  if (JSON.stringify(meta).length > MAX_META_LENGTH) return refuse("INVALID", "meta is larger than 16 kB");
  return undefined;
}

const revokedFault = (context: ApplyContext, name: string): ApplyRefused | undefined =>
  context.state.nodes.get(name)?.revoked === true
    ? refuse("CERT_INVALID", `node "${name}" was revoked`, `join it again: mesh acl ticket create --node ${name}`)
    : undefined;

const unknownNode = (name: string): ApplyRefused =>
  refuse("NOT_FOUND", `there is no node "${name}"`, "mesh nodes lists them; a host joins with a ticket");

export function nodeDelete(context: ApplyContext, { name }: NodeDelete): ApplyResult {
  removeAllOn(context, name);
  context.state.nodes.delete(name);
  return ok(context);
}

export function nodeAllow(context: ApplyContext, { name, allow }: NodeAllow): ApplyResult {
  const node = context.state.nodes.get(name);
  if (node === undefined) return unknownNode(name);
  const grown = { ...node, allow: union(node.allow, allow) };
  return ok(context, { node: write(context, context.state.nodes, [name, grown]) });
}

export function nodeDisallow(context: ApplyContext, { name, allow }: NodeDisallow): ApplyResult {
  const node = context.state.nodes.get(name);
  if (node === undefined) return unknownNode(name);
  const left = node.allow.filter((pattern) => !allow.includes(pattern));
  for (const instance of context.state.instancesByNode.sorted(name)) {
    const service = { namespace: instance.namespace, name: instance.service };
    if (!allows(left, service)) removeInstance(context, name, instance.id);
  }
  return ok(context, { node: write(context, context.state.nodes, [name, { ...node, allow: left }]) });
}

export function nodeRevoke(context: ApplyContext, { name }: NodeRevoke): ApplyResult {
  const node = context.state.nodes.get(name);
  if (node === undefined) return unknownNode(name);
  removeAllOn(context, name);
  const revoked = { ...node, allow: [], revoked: true };
  return ok(context, { node: write(context, context.state.nodes, [name, revoked]) });
}

function removeInstance(context: ApplyContext, node: string, id: string): void {
  const { state } = context;
  const key = onNode(node, id);
  if (state.instances.get(key) === undefined) return;
  for (const check of state.checksByInstance.get(key) ?? []) state.checks.delete(onNode(node, check.id));
  state.instances.delete(key);
}

function removeAllOn(context: ApplyContext, node: string): void {
  const { state } = context;
  for (const id of state.checksByNode.get(node)?.keys() ?? []) state.checks.delete(onNode(node, id));
  for (const id of state.instancesByNode.get(node)?.keys() ?? []) state.instances.delete(onNode(node, id));
}

/** One node's changes in one step; what its `allow` does not cover is refused row by row. */
export function nodeSync(context: ApplyContext, sync: NodeSync): ApplyResult {
  if (context.state.nodes.get(sync.node) === undefined) {
    return refuse("NOT_FOUND", `there is no node "${sync.node}"`, "join the host again with a new ticket");
  }
  const record = sync.record === undefined ? undefined : { ...sync.record, name: sync.node };
  const fault = revokedFault(context, sync.node)
    ?? (record === undefined ? undefined : nodeConflict(context, record.name, record.id) ?? nodeFault(record));
  if (fault !== undefined) return fault;
  const node = record === undefined ? context.state.nodes.get(sync.node)! : writeNode(context, record);

  for (const id of sync.deleteInstances) removeInstance(context, node.name, id);
  for (const id of sync.deleteChecks) context.state.checks.delete(onNode(node.name, id));
  const refusals: Refusal[] = [];
  for (const row of sync.instances) {
    const refusal = syncInstance(context, node, row);
    if (refusal !== undefined) refusals.push(refusal);
  }
  const refused = new Set(refusals.map((r) => r.id));
  for (const row of sync.checks) {
    const refusal = syncCheck(context, { node, row, refused });
    if (refusal !== undefined) refusals.push(refusal);
  }
  return ok(context, { refusals });
}

const refusalOf = (row: { id?: unknown }, refused: Omit<Refusal, "id">): Refusal =>
  ({ id: typeof row.id === "string" ? row.id : "", ...refused });

const limited = (node: string, what: string): Omit<Refusal, "id"> =>
  ({ code: "LIMITED", message: `node "${node}" has ${what}, as many as one may`, fix: "deregister some first" });

function syncInstance(context: ApplyContext, node: NodeRecord, row: InstanceRecord): Refusal | undefined {
  const fault = instanceFault(row);
  if (fault !== undefined) {
    return refusalOf(row, { code: "INVALID_SERVICE", message: fault, fix: "correct it and register it again" });
  }
  const service = { namespace: row.namespace, name: row.service };
  if (!allows(node.allow, service)) {
    return refusalOf(row, { code: "NOT_ALLOWED", ...notAllowedMessage(node.name, service) });
  }
  const { state, index } = context;
  const key = onNode(node.name, row.id);
  const count = state.instancesByNode.get(node.name)?.size ?? 0;
  if (count >= MAX_INSTANCES_PER_NODE && state.instances.get(key) === undefined) {
    return refusalOf(row, limited(node.name, `${MAX_INSTANCES_PER_NODE} instances`));
  }
  const group = serviceGroup(row.namespace, row.service);
  let vip = state.vips.get(group);
  if (vip === undefined) {
    vip = { namespace: row.namespace, service: row.service, ip: virtualIp(state.vips.size), createIndex: index };
    state.vips.put(group, vip);
  }
  // The names of the address row are shared by all instances: a hundred thousand copies of them would count.
  const shared = { node: node.name, namespace: vip.namespace, service: vip.service };
  write(context, state.instances, [key, { ...row, ...shared }]);
  return undefined;
}

function syncCheck(
  context: ApplyContext,
  { node, row, refused }: { node: NodeRecord; row: CheckRecord; refused: ReadonlySet<string> },
): Refusal | undefined {
  const fault = checkFault(row);
  if (fault !== undefined) return refusalOf(row, { code: "INVALID", message: fault, fix: "correct the check" });
  const { instanceId } = row;
  const instance = context.state.instances.get(onNode(node.name, instanceId));
  if (instanceId !== "" && instance === undefined) {
    // Its instance's own refusal says it already.
    if (refused.has(instanceId)) return undefined;
    const message = `check "${row.id}" is for instance "${instanceId}", which is not on node "${node.name}"`;
    return refusalOf(row, { code: "NOT_FOUND", message, fix: "register the service first" });
  }
  const key = onNode(node.name, row.id);
  const count = context.state.checksByNode.get(node.name)?.size ?? 0;
  if (count >= MAX_CHECKS_PER_NODE && context.state.checks.get(key) === undefined) {
    return refusalOf(row, limited(node.name, `${MAX_CHECKS_PER_NODE} checks`));
  }
  const shared = { node: node.name, instanceId: instance?.id ?? "" };
  write(context, context.state.checks, [key, { ...row, ...shared }]);
  return undefined;
}
