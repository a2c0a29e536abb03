/** From what the host knows to what others take: catalog rows, topics to watch, and the compiler's input. */
import type { LocalService } from "../core/compile/snapshot.ts";
import type {
  CheckRecord, CheckStatus, EndpointRecord, InstanceRecord, ServiceDefaults,
} from "../core/model/catalog.ts";
import type { Intention } from "../core/model/intention.ts";
import { serviceKey } from "../core/model/names.ts";
import type { ServiceDefinition } from "../core/model/service.ts";
import type { RegisteredService } from "./local-state.ts";
import type { TopicStore } from "./topic-store.ts";

/** The row of a local service. */
export function instanceRecord(node: string, { definition, maintenance }: RegisteredService): InstanceRecord {
  const { id, namespace, name, address, port, protocol, tags, meta, weights, upstreams } = definition;
  return {
    node, id, namespace, service: name, address, port, protocol, tags, meta, weights,
    draining: maintenance !== undefined,
    upstreams: [...new Set(upstreams.map(serviceKey))].sort(),
  };
}

/** Consul shows maintenance as a critical check of this id. */
export function maintenanceCheck(node: string, { definition, maintenance }: RegisteredService): CheckRecord[] {
  if (maintenance === undefined) return [];
  return [{
    node, id: `_service_maintenance:${definition.id}`, name: "Service Maintenance Mode", instanceId: definition.id,
    status: "critical", output: "", type: "maintenance", notes: maintenance,
  }];
}

/** All that this host has to know: about itself, its services, and what they call. */
export function topicsFor(node: string, services: readonly ServiceDefinition[]): readonly string[] {
  const topics = new Set(["roots", `node/${node}`]);
  for (const service of services) {
    topics.add(`intentions/${serviceKey(service)}`).add(`defaults/${serviceKey(service)}`);
    for (const upstream of service.upstreams) {
      topics.add(`service/${serviceKey(upstream)}`).add(`defaults/${serviceKey(upstream)}`);
    }
  }
  return [...topics];
}

export interface CompilerInput {
  readonly services: readonly LocalService[];
  readonly endpoints: ReadonlyMap<string, readonly EndpointRecord[]>;
  readonly intentions: ReadonlyMap<string, readonly Intention[]>;
  readonly defaults: ReadonlyMap<string, ServiceDefaults>;
}

/** What the compiler needs of services and topics. */
export function compilerInput(
  services: readonly RegisteredService[], store: TopicStore, statusOf: (serviceId: string) => CheckStatus,
): CompilerInput {
  const endpoints = new Map<string, readonly EndpointRecord[]>();
  const intentions = new Map<string, readonly Intention[]>();
  const defaults = new Map<string, ServiceDefaults>();
  const wanted = topicsFor("", services.map(({ definition }) => definition));
  for (const topic of wanted) {
    const [kind, ...rest] = topic.split("/");
    const items = store.items(topic);
    if (items === undefined) continue;
    const key = rest.join("/");
    if (kind === "service") endpoints.set(key, items as EndpointRecord[]);
    if (kind === "intentions") intentions.set(key, items as Intention[]);
    if (kind === "defaults" && items.length > 0) defaults.set(key, items[0] as ServiceDefaults);
  }
  return {
    services: services.map(({ definition, maintenance }) =>
      ({ definition, status: statusOf(definition.id), draining: maintenance !== undefined })),
    endpoints, intentions, defaults,
  };
}
