import { compareIntentions } from "../authz/precedence.ts";
import type {
  CheckRecord, EndpointRecord, InstanceRecord, NodeRecord, NodeTopicRecord, ResourceRecord, RootRecord, ServiceDefaults,
} from "../model/catalog.ts";
import type { Intention } from "../model/intention.ts";
import type { ServiceName } from "../model/names.ts";
import { serviceDefaultsOf } from "../model/service-defaults.ts";
import { CLUSTER_KEY } from "./apply-access.ts";
import type { ClusterRecord, ServiceSummary, TicketRecord, TokenRecord } from "./records.ts";
import { DEFAULTS_KIND, onNode, resourceKey, serviceGroup } from "./state.ts";
import type { State } from "./state.ts";
import { byText } from "./table.ts";

/** Reads of the catalog. Records are shared and never change; lists are new and sorted by key. */
export class Queries {
  protected state: State;

  constructor(state: State) {
    this.state = state;
  }

  cluster(): ClusterRecord | undefined {
    return this.state.cluster.get(CLUSTER_KEY);
  }

  nodes(): NodeRecord[] {
    return this.state.nodes.sorted();
  }

  node(name: string): NodeRecord | undefined {
    return this.state.nodes.get(name);
  }

  /** The node with this host id. */
  nodeById(id: string): NodeRecord | undefined {
    return this.state.nodes.get(this.state.nodeNames.get(id) ?? "");
  }

  /** Every service that has instances. */
  services(): ServiceSummary[] {
    return [...this.state.endpoints.keys()].sort(byText).map((group) => this.#summary(group));
  }

  /** Its registered instances, ascending by `<node>/<id>`. */
  instancesOf(namespace: string, name: string): InstanceRecord[] {
    const keys = [...(this.state.endpoints.get(serviceGroup(namespace, name))?.keys() ?? [])].sort(byText);
    return keys.map((key) => this.state.instances.get(key)!);
  }

  instance(node: string, id: string): InstanceRecord | undefined {
    return this.state.instances.get(onNode(node, id));
  }

  instancesOn(node: string): InstanceRecord[] {
    return this.state.instancesByNode.sorted(node);
  }

  /** All checks of the node: its own and those of its instances. */
  checksOn(node: string): CheckRecord[] {
    return this.state.checksByNode.sorted(node);
  }

  /** Checks of one instance; of the node itself with an empty `instanceId`. */
  checksOf(node: string, instanceId: string): CheckRecord[] {
    const checks = this.state.checksByInstance.get(onNode(node, instanceId)) ?? [];
    return [...checks].sort((a, b) => byText(a.id, b.id));
  }

  /** All checks, ascending by `<node>/<id>`. */
  checks(): CheckRecord[] {
    return this.state.checks.sorted();
  }

  /** What callers may be sent to; includes the unhealthy and draining, which the caller's side leaves out. */
  endpoints(namespace: string, name: string): EndpointRecord[] {
    return this.state.endpoints.sorted(serviceGroup(namespace, name));
  }

  virtualIp(namespace: string, name: string): string | undefined {
    return this.state.vips.get(serviceGroup(namespace, name))?.ip;
  }

  /** In order of evaluation. */
  intentions(): Intention[] {
    return [...this.state.intentions.values()].sort(compareIntentions);
  }

  intention(id: string): Intention | undefined {
    return this.state.intentions.get(this.state.intentionKeys.get(id) ?? "");
  }

  /** The one of exactly this pair (wildcards are names here). */
  intentionExact(source: ServiceName, destination: ServiceName): Intention | undefined {
    return this.state.intentions.get(`${serviceGroup(source.namespace, source.name)}>${
      serviceGroup(destination.namespace, destination.name)}`);
  }

  /** Those that cover the destination, in order of evaluation. */
  intentionsFor(destination: ServiceName): Intention[] {
    const { namespace, name } = destination;
    const groups = new Set([serviceGroup(namespace, name), serviceGroup(namespace, "*"), serviceGroup("*", "*")]);
    const found = [...groups].flatMap((group) => [...(this.state.intentionsByDestination.get(group)?.values() ?? [])]);
    return found.sort(compareIntentions);
  }

  resource(kind: string, namespace: string, name: string): ResourceRecord | undefined {
    return this.state.resources.get(resourceKey({ kind, namespace, name }));
  }

  resources(): ResourceRecord[] {
    return this.state.resources.sorted();
  }

  serviceDefaults(namespace: string, name: string): ServiceDefaults | undefined {
    const record = this.resource(DEFAULTS_KIND, namespace, name);
    return record === undefined ? undefined : serviceDefaultsOf(record.document);
  }

  roots(): RootRecord[] {
    return this.state.roots.sorted();
  }

  /** By hex SHA-256 of the secret; the caller looks at `expMs`. */
  tokenByHash(secretHash: string): TokenRecord | undefined {
    return this.state.tokens.get(this.state.tokenAccessors.get(secretHash) ?? "");
  }

  token(accessor: string): TokenRecord | undefined {
    return this.state.tokens.get(accessor);
  }

  tokens(): TokenRecord[] {
    return this.state.tokens.sorted();
  }

  ticket(id: string): TicketRecord | undefined {
    return this.state.tickets.get(id);
  }

  tickets(): TicketRecord[] {
    return this.state.tickets.sorted();
  }

  /** Item of topic `node/<name>`; undefined for an unknown node. */
  nodeTopicItem(name: string): NodeTopicRecord | undefined {
    const node = this.node(name);
    if (node === undefined) return undefined;
    const { trustDomain = "", clusterId = "", servers = [] } = this.cluster() ?? {};
    return { allow: node.allow, trustDomain, clusterId, servers };
  }

  #summary(group: string): ServiceSummary {
    const [namespace, name] = group.split("/") as [string, string];
    const endpoints = this.state.endpoints.get(group)!;
    const tags = new Set<string>();
    const counts = { passing: 0, warning: 0, critical: 0 };
    for (const endpoint of endpoints.values()) {
      for (const tag of endpoint.tags) tags.add(tag);
      counts[endpoint.status]++;
    }
    const virtualIp = this.virtualIp(namespace, name) ?? "";
    return { namespace, name, tags: [...tags].sort(byText), instances: endpoints.size, ...counts, virtualIp };
  }
}
