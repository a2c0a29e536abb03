import type {
  CheckRecord, EndpointRecord, InstanceRecord, NodeRecord, ResourceRecord, RootRecord,
} from "../model/catalog.ts";
import type { Intention } from "../model/intention.ts";
import { endpointOf, sameEndpoint, worstStatus } from "./endpoints.ts";
import { StateHash } from "./hash.ts";
import type { ApplyResult, ClusterRecord, TicketRecord, TokenRecord, VirtualIpRecord } from "./records.ts";
import { Groups, Table } from "./table.ts";
import type { RowObserver } from "./table.ts";
import {
  CLUSTER_TOPIC, defaultsTopic, healthTopic, intentionsTopic, nodeTopic, ROOTS_TOPIC, serviceTopic, TouchedSet,
} from "./topics.ts";

export const DEFAULTS_KIND = "ServiceDefaults";

/** Key of what is unique on its node; node names have no slash. */
export const onNode = (node: string, id: string): string => `${node}/${id}`;
export const serviceGroup = (namespace: string, name: string): string => `${namespace}/${name}`;
export const resourceKey = (r: { kind: string; namespace: string; name: string }): string =>
  `${r.kind}/${r.namespace}/${r.name}`;
export const intentionKey = (i: Pick<Intention, "source" | "destination">): string =>
  `${i.source.namespace}/${i.source.name}>${i.destination.namespace}/${i.destination.name}`;

/** An item of a topic that a commit wrote or deleted. */
export interface Change {
  readonly topic: string;
  readonly key: string;
}

/**
 * The tables and everything derived from them. Tables are the state (hashed, in snapshots); indexes and endpoints
 * follow from them by observers, the same whether rows come from commands or from a snapshot.
 */
export class State {
  readonly hash = new StateHash();
  /** Tables and topic sources touched since the last settle. */
  touched = new TouchedSet();
  readonly instancesByNode = new Groups<InstanceRecord>();
  readonly checksByNode = new Groups<CheckRecord>();
  /** By `<node>/<instance id>`; a node's own under `<node>/`. Lists, since they are short and there are many. */
  readonly checksByInstance = new Map<string, readonly CheckRecord[]>();
  readonly endpoints = new Groups<EndpointRecord>();
  readonly intentionsByDestination = new Groups<Intention>();
  readonly intentionKeys = new Map<string, string>();
  readonly tokenAccessors = new Map<string, string>();
  readonly nodeNames = new Map<string, string>();
  #changes: Change[] = [];
  /** Instances whose endpoint may differ, with the services that they were of. */
  readonly #dirty = new Map<string, Set<string>>();
  readonly #dirtyNodes = new Set<string>();

  readonly cluster = this.#table<ClusterRecord>("cluster", (_key, old, row) => {
    const seen = (c?: ClusterRecord): string => JSON.stringify([c?.clusterId, c?.trustDomain, c?.servers]);
    if (seen(old) !== seen(row)) this.touched.add(CLUSTER_TOPIC);
  });
  readonly nodes = this.#table<NodeRecord>("nodes", (key, old, row) => this.#onNode(key, old, row));
  readonly instances = this.#table<InstanceRecord>("instances", (key, old, row) => this.#onInstance(key, old, row));
  readonly checks = this.#table<CheckRecord>("checks", (_key, old, row) => this.#onCheck(old, row));
  readonly resources = this.#table<ResourceRecord>("resources", (_key, old, row) => {
    const { kind, namespace, name } = (row ?? old)!;
    if (kind === DEFAULTS_KIND) this.#changed(defaultsTopic(namespace, name), serviceGroup(namespace, name));
  });
  readonly intentions = this.#table<Intention>("intentions", (key, old, row) => this.#onIntention(key, old, row));
  readonly roots = this.#table<RootRecord>("roots", (key) => this.#changed(ROOTS_TOPIC, key));
  readonly vips = this.#table<VirtualIpRecord>("vips");
  readonly tokens = this.#table<TokenRecord>("tokens", (key, old, row) => {
    if (old !== undefined) this.tokenAccessors.delete(old.secretHash);
    if (row !== undefined) this.tokenAccessors.set(row.secretHash, key);
  });
  readonly tickets = this.#table<TicketRecord>("tickets");
  /** Answers to requests by their id, oldest first. */
  readonly requests = new Table<{ result: ApplyResult }>("requests", this.hash);
  /** Modify index of each table and topic source; `floor/<prefix>` for those that are no more. */
  readonly indexes = new Table<{ index: number }>("indexes", this.hash);

  /** In the order of a snapshot: nodes before what refers to them. */
  readonly tables: readonly Table<object>[] = [
    this.cluster, this.nodes, this.instances, this.checks, this.resources, this.intentions, this.roots, this.vips,
    this.tokens, this.tickets, this.requests, this.indexes,
  ] as unknown as Table<object>[];

  /** Brings endpoints up to date and hands out what changed since the last time. */
  settle(): { changes: readonly Change[]; touched: TouchedSet } {
    for (const node of this.#dirtyNodes) {
      for (const id of this.instancesByNode.get(node)?.keys() ?? []) this.#markDirty(onNode(node, id), undefined);
    }
    for (const [key, formerGroups] of this.#dirty) this.#settleInstance(key, formerGroups);
    this.#dirty.clear();
    this.#dirtyNodes.clear();
    const settled = { changes: this.#changes, touched: this.touched };
    this.#changes = [];
    this.touched = new TouchedSet();
    return settled;
  }

  #table<T extends object>(name: string, observer: RowObserver<T> = () => undefined): Table<T> {
    return new Table<T>(name, this.hash, (key, old, row) => {
      this.touched.add(name);
      observer(key, old, row);
    });
  }

  #changed(topic: string, key: string): void {
    this.touched.add(topic);
    this.#changes.push({ topic, key });
  }

  #markDirty(key: string, formerGroup: string | undefined): void {
    let groups = this.#dirty.get(key);
    if (groups === undefined) this.#dirty.set(key, (groups = new Set()));
    if (formerGroup !== undefined) groups.add(formerGroup);
  }

  #settleInstance(key: string, formerGroups: ReadonlySet<string>): void {
    const instance = this.instances.get(key);
    const group = instance === undefined ? undefined : serviceGroup(instance.namespace, instance.service);
    for (const former of formerGroups) {
      this.touched.add(`health/${former}`);
      if (former !== group && this.endpoints.delete(former, key)) this.#changed(`service/${former}`, key);
    }
    if (instance === undefined) return;
    this.touched.add(healthTopic(instance.namespace, instance.service));
    const node = this.nodes.get(instance.node);
    if (node === undefined) return;
    const checks = this.checksByInstance.get(key) ?? [];
    const nodeChecks = this.checksByInstance.get(onNode(instance.node, "")) ?? [];
    const endpoint = endpointOf(instance, node, worstStatus(checks, nodeChecks));
    const old = this.endpoints.get(group!)?.get(key);
    if (old !== undefined && sameEndpoint(old, endpoint)) return;
    this.endpoints.set(group!, key, endpoint);
    this.#changed(serviceTopic(instance.namespace, instance.service), key);
  }

  #onNode(key: string, old: NodeRecord | undefined, row: NodeRecord | undefined): void {
    const seen = (n?: NodeRecord): string => JSON.stringify([n?.address, n?.inboundPort, n?.meta]);
    if (seen(old) !== seen(row)) this.#dirtyNodes.add(key);
    if (old !== undefined) this.nodeNames.delete(old.id);
    if (row !== undefined) this.nodeNames.set(row.id, key);
    const topicItem = (n?: NodeRecord): string | undefined => n && JSON.stringify(n.allow);
    if (topicItem(old) !== topicItem(row)) this.#changed(nodeTopic(key), key);
  }

  #onInstance(key: string, old: InstanceRecord | undefined, row: InstanceRecord | undefined): void {
    if (row === undefined) this.instancesByNode.delete(old!.node, old!.id);
    else this.instancesByNode.set(row.node, row.id, row);
    this.#markDirty(key, old === undefined ? undefined : serviceGroup(old.namespace, old.service));
  }

  #onCheck(old: CheckRecord | undefined, row: CheckRecord | undefined): void {
    if (old !== undefined) this.#unlistCheck(old);
    if (row === undefined) {
      this.checksByNode.delete(old!.node, old!.id);
      return;
    }
    this.checksByNode.set(row.node, row.id, row);
    const key = onNode(row.node, row.instanceId);
    this.checksByInstance.set(key, [...(this.checksByInstance.get(key) ?? []), row]);
    this.#checkMoved(row);
  }

  #unlistCheck(check: CheckRecord): void {
    const key = onNode(check.node, check.instanceId);
    const left = (this.checksByInstance.get(key) ?? []).filter((c) => c.id !== check.id);
    if (left.length === 0) this.checksByInstance.delete(key);
    else this.checksByInstance.set(key, left);
    this.#checkMoved(check);
  }

  #checkMoved(check: CheckRecord): void {
    if (check.instanceId === "") this.#dirtyNodes.add(check.node);
    else if (this.instances.get(onNode(check.node, check.instanceId)) !== undefined) {
      this.#markDirty(onNode(check.node, check.instanceId), undefined);
    }
  }

  #onIntention(key: string, old: Intention | undefined, row: Intention | undefined): void {
    const at = (row ?? old)!.destination;
    const group = serviceGroup(at.namespace, at.name);
    if (old !== undefined) {
      this.intentionKeys.delete(old.id);
      this.intentionsByDestination.delete(group, key);
      this.#changed(intentionsTopic(at.namespace, at.name), old.id);
    }
    if (row === undefined) return;
    this.intentionKeys.set(row.id, key);
    this.intentionsByDestination.set(group, key, row);
    this.#changed(intentionsTopic(at.namespace, at.name), row.id);
  }
}
