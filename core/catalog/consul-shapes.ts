import type { CheckRecord, InstanceRecord, NodeRecord, RootRecord } from "../model/catalog.ts";
import type { Intention } from "../model/intention.ts";
import type { Catalog } from "./catalog.ts";
import { worstStatus } from "./endpoints.ts";
import { isoTime } from "./iso-time.ts";
import { byText } from "./table.ts";

/**
 * Records in the shapes of Consul's HTTP API (catalog, health, connect), for its clients: the npm `consul` client,
 * Prometheus' `consul_sd_configs`, consul-template. Lists that are empty are `[]`, never null; maps are `{}`.
 */
export type Json = Readonly<Record<string, unknown>>;

/** Consul has regions by this name in every answer; ours has one. */
export const DATACENTER = "dc1";

const raft = (row: { createIndex?: number; modifyIndex?: number }): Json =>
  ({ CreateIndex: row.createIndex ?? 0, ModifyIndex: row.modifyIndex ?? 0 });

const tagged = (address: string): Json => ({ lan: address, lan_ipv4: address, wan: address, wan_ipv4: address });

const weightsShape = (instance: InstanceRecord): Json =>
  ({ Passing: instance.weights.passing, Warning: instance.weights.warning });

const PROXY_DEFAULTS: Json = { Mode: "", MeshGateway: {}, Expose: {} };

/** `/v1/catalog/nodes`, and `Node` of the health endpoints. */
export const nodeShape = (node: NodeRecord): Json => ({
  ID: node.id, Node: node.name, Address: node.address, Datacenter: DATACENTER,
  TaggedAddresses: tagged(node.address), Meta: node.meta, ...raft(node),
});

function virtualAddresses(catalog: Catalog, instance: InstanceRecord): Json {
  const ip = catalog.virtualIp(instance.namespace, instance.service);
  return ip === undefined ? {} : { "consul-virtual": { Address: ip, Port: instance.port } };
}

/** One of `/v1/catalog/service/:name`: node and instance in one flat object. */
const catalogServiceShape = (catalog: Catalog, node: NodeRecord, instance: InstanceRecord): Json => ({
  ID: node.id, Node: node.name, Address: node.address, Datacenter: DATACENTER,
  TaggedAddresses: tagged(node.address), NodeMeta: node.meta,
  ServiceKind: "", ServiceID: instance.id, ServiceName: instance.service, ServiceTags: instance.tags,
  ServiceAddress: instance.address, ServiceTaggedAddresses: virtualAddresses(catalog, instance),
  ServiceWeights: weightsShape(instance), ServiceMeta: instance.meta, ServicePort: instance.port,
  ServiceSocketPath: "", ServiceEnableTagOverride: false, ServiceProxy: PROXY_DEFAULTS, ServiceConnect: {},
  Namespace: instance.namespace, ...raft(instance),
});

/** `Service` of `/v1/health/service/:name`. */
export const healthServiceShape = (catalog: Catalog, instance: InstanceRecord): Json => ({
  ID: instance.id, Service: instance.service, Tags: instance.tags, Address: instance.address,
  TaggedAddresses: virtualAddresses(catalog, instance), Meta: instance.meta, Port: instance.port,
  Weights: weightsShape(instance), EnableTagOverride: false, Proxy: PROXY_DEFAULTS, Connect: {}, PeerName: "",
  Namespace: instance.namespace, ...raft(instance),
});

/** `Service` of `/v1/health/connect/:name`: the host's proxy, on its one inbound port for all services. */
const connectServiceShape = (catalog: Catalog, node: NodeRecord, instance: InstanceRecord): Json => ({
  ...healthServiceShape(catalog, instance),
  Kind: "connect-proxy",
  ID: `${instance.id}-sidecar-proxy`,
  Service: `${instance.service}-sidecar-proxy`,
  Address: node.address,
  Port: node.inboundPort,
  Proxy: {
    ...PROXY_DEFAULTS,
    DestinationServiceName: instance.service,
    DestinationServiceID: instance.id,
    LocalServiceAddress: instance.address === "" ? "127.0.0.1" : instance.address,
    LocalServicePort: instance.port,
  },
});

/** One of `/v1/health/checks/:service`, `/v1/health/node/:node`, and `Checks` of the health endpoints. */
export function checkShape(check: CheckRecord, instance: InstanceRecord | undefined): Json {
  return {
    Node: check.node, CheckID: check.id, Name: check.name, Status: check.status, Notes: check.notes,
    Output: check.output, ServiceID: check.instanceId, ServiceName: instance?.service ?? "",
    ServiceTags: instance?.tags ?? [], Type: check.type, Interval: "", Timeout: "", ExposedPort: 0, Definition: {},
    Namespace: instance?.namespace ?? "default", ...raft(check),
  };
}

/** Filters of the catalog and health queries, as their URL parameters say them. */
export interface ServiceFilter {
  /** All of them must be on the instance. */
  readonly tags?: readonly string[];
  /** Only where the node's and the instance's checks all pass, and the instance is not draining. */
  readonly passing?: boolean;
  readonly nodeMeta?: Readonly<Record<string, string>>;
}

interface Found {
  readonly node: NodeRecord;
  readonly instance: InstanceRecord;
  /** The node's own first. */
  readonly checks: readonly CheckRecord[];
}

function find(catalog: Catalog, service: { namespace: string; name: string }, filter: ServiceFilter): Found[] {
  const found: Found[] = [];
  for (const instance of catalog.instancesOf(service.namespace, service.name)) {
    const node = catalog.node(instance.node);
    if (node === undefined || !(filter.tags ?? []).every((tag) => instance.tags.includes(tag))) continue;
    if (!Object.entries(filter.nodeMeta ?? {}).every(([key, value]) => node.meta[key] === value)) continue;
    const checks = [...catalog.checksOf(node.name, ""), ...catalog.checksOf(node.name, instance.id)];
    if (filter.passing === true && (instance.draining || worstStatus(checks) !== "passing")) continue;
    found.push({ node, instance, checks });
  }
  return found;
}

/** `GET /v1/catalog/service/:name`; index: topic `health/<ns>/<name>`. */
export const catalogService = (
  catalog: Catalog, service: { namespace: string; name: string }, filter: ServiceFilter = {},
): Json[] => find(catalog, service, filter).map(({ node, instance }) => catalogServiceShape(catalog, node, instance));

/** `GET /v1/health/service/:name`, with `connect` `/v1/health/connect/:name`; index: topic `health/<ns>/<name>`. */
export const healthService = (
  catalog: Catalog, service: { namespace: string; name: string }, filter: ServiceFilter & { connect?: boolean } = {},
): Json[] => find(catalog, service, filter).map(({ node, instance, checks }) => ({
  Node: nodeShape(node),
  Service: filter.connect === true ? connectServiceShape(catalog, node, instance)
    : healthServiceShape(catalog, instance),
  Checks: checks.map((check) => checkShape(check, check.instanceId === "" ? undefined : instance)),
}));

/** `GET /v1/health/checks/:service`; index: topic `health/<ns>/<name>`. */
export const serviceChecks = (catalog: Catalog, namespace: string, name: string): Json[] =>
  catalog.instancesOf(namespace, name).flatMap((instance) =>
    catalog.checksOf(instance.node, instance.id).map((check) => checkShape(check, instance)));

/** `GET /v1/health/node/:node`; index: table `checks`. */
export const nodeChecks = (catalog: Catalog, node: string): Json[] =>
  catalog.checksOn(node).map((check) => checkShape(check, catalog.instance(node, check.instanceId)));

/** `GET /v1/health/state/:state` (`any` for all); index: table `checks`. */
export const stateChecks = (catalog: Catalog, state: string): Json[] =>
  catalog.checks().filter((check) => state === "any" || check.status === state)
    .map((check) => checkShape(check, catalog.instance(check.node, check.instanceId)));

/** `GET /v1/catalog/nodes`; index: table `nodes`. */
export const catalogNodes = (catalog: Catalog): Json[] => catalog.nodes().map(nodeShape);

/** `GET /v1/catalog/node/:node`; undefined (null in JSON) for an unknown one; index: tables `nodes`, `instances`. */
export function catalogNode(catalog: Catalog, name: string): Json | undefined {
  const node = catalog.node(name);
  if (node === undefined) return undefined;
  const services = catalog.instancesOn(name).map((i) => [i.id, healthServiceShape(catalog, i)] as const);
  return { Node: nodeShape(node), Services: Object.fromEntries(services) };
}

/** `GET /v1/catalog/services`: names of a namespace with the union of their tags; index: table `instances`. */
export function catalogServices(catalog: Catalog, namespace: string): Readonly<Record<string, readonly string[]>> {
  const ours = catalog.services().filter((service) => service.namespace === namespace);
  return Object.fromEntries(ours.map((service) => [service.name, service.tags]));
}

/** One of `/v1/connect/intentions`. */
export const intentionShape = (intention: Intention): Json => ({
  ID: intention.id,
  Description: intention.description,
  SourceNS: intention.source.namespace,
  SourceName: intention.source.name,
  DestinationNS: intention.destination.namespace,
  DestinationName: intention.destination.name,
  SourceType: "consul",
  Action: intention.action,
  Meta: intention.meta,
  Precedence: intention.precedence,
  CreatedAt: isoTime(intention.createdAtMs),
  UpdatedAt: isoTime(intention.updatedAtMs),
  ...raft(intention),
});

/** `GET /v1/connect/intentions`, in order of evaluation; index: table `intentions`. */
export const intentionShapes = (catalog: Catalog): Json[] => catalog.intentions().map(intentionShape);

/** `GET /v1/connect/ca/roots`; what only the certificate says is given by the caller, by root id. */
export function rootsShape(catalog: Catalog, details: (root: RootRecord) => Json): Json {
  const roots = [...catalog.roots()].sort((a, b) => byText(a.id, b.id));
  return {
    ActiveRootID: roots.find((root) => root.active)?.id ?? "",
    TrustDomain: catalog.cluster()?.trustDomain ?? "",
    Roots: roots.map((root) => ({
      ID: root.id, Name: "Mesh CA", RootCert: root.pem, IntermediateCerts: [], Active: root.active, ...details(root),
    })),
  };
}
