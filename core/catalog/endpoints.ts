import type { CheckRecord, CheckStatus, EndpointRecord, InstanceRecord, NodeRecord } from "../model/catalog.ts";

const SEVERITY: Readonly<Record<CheckStatus, number>> = { passing: 0, warning: 1, critical: 2 };

/** The worst of them; `passing` when there is none, as in Consul. */
export function worstStatus(...lists: readonly (readonly CheckRecord[])[]): CheckStatus {
  let worst: CheckStatus = "passing";
  for (const list of lists) {
    for (const check of list) if (SEVERITY[check.status] > SEVERITY[worst]) worst = check.status;
  }
  return worst;
}

/** `meta` as others see it: `app` and `service` are the service's name, whatever the definition says. */
function publicMeta(instance: InstanceRecord): Readonly<Record<string, string>> {
  const { meta, service } = instance;
  if ((meta["app"] ?? service) === service && (meta["service"] ?? service) === service) return meta;
  return { ...meta, app: service, service };
}

/** What callers need of an instance; its lists are shared with the records, not copied. */
export function endpointOf(instance: InstanceRecord, node: NodeRecord, status: CheckStatus): EndpointRecord {
  return {
    node: instance.node,
    id: instance.id,
    namespace: instance.namespace,
    service: instance.service,
    host: node.address,
    inboundPort: node.inboundPort,
    protocol: instance.protocol,
    tags: instance.tags,
    meta: publicMeta(instance),
    weights: instance.weights,
    draining: instance.draining,
    status,
  };
}

/** By content; cheap where lists are shared. */
export function sameEndpoint(a: EndpointRecord, b: EndpointRecord): boolean {
  return a.status === b.status && a.host === b.host && a.inboundPort === b.inboundPort && a.draining === b.draining
    && a.protocol === b.protocol && a.weights.passing === b.weights.passing && a.weights.warning === b.weights.warning
    && (a.tags === b.tags || JSON.stringify(a.tags) === JSON.stringify(b.tags))
    && (a.meta === b.meta || JSON.stringify(a.meta) === JSON.stringify(b.meta));
}

/**
 * The labels of an instance, for selectors and subsets: its `meta`, its tags as `<tag>: tag`, and always `app` and
 * `service` with the service's name.
 */
export function labelsOf(of: Pick<EndpointRecord, "service" | "meta" | "tags">): Record<string, string> {
  const tags = Object.fromEntries(of.tags.map((tag) => [tag, "tag"]));
  return { ...tags, ...of.meta, app: of.service, service: of.service };
}
