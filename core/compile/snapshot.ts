/**
 * An agent's view of the world into the snapshot that its proxy runs on: a pure function, sorted, so that equal views
 * give equal bytes and a push can be left out when nothing changed.
 */
import { sortIntentions } from "../authz/precedence.ts";
import type { Balance, CheckStatus, EndpointRecord, Protocol, ServiceDefaults } from "../model/catalog.ts";
import type { Intention } from "../model/intention.ts";
import { serviceKey } from "../model/names.ts";
import type { ServiceDefinition, UpstreamDefinition } from "../model/service.ts";
import type {
  BindConfig, EndpointConfig, IdentityConfig, LocalInstanceConfig, LocalServiceConfig, OutboundConfig, ProxySnapshot,
} from "../model/snapshot.ts";

export interface AgentView {
  readonly version: number;
  readonly node: string;
  readonly trustDomain: string;
  readonly rootsPem: readonly string[];
  /** Where the proxy listens for other hosts. */
  readonly inbound: { readonly host: string; readonly port: number };
  /** What other hosts, and same-host calls, connect to. */
  readonly advertise: string;
  readonly services: readonly LocalService[];
  /** Certificates by `ns/name`. */
  readonly identities: ReadonlyMap<string, IdentityConfig>;
  /** What the servers said, by `ns/name`; a key that is missing was not received yet. */
  readonly endpoints: ReadonlyMap<string, readonly EndpointRecord[]>;
  readonly intentions: ReadonlyMap<string, readonly Intention[]>;
  readonly defaults: ReadonlyMap<string, ServiceDefaults>;
}

export interface LocalService {
  readonly definition: ServiceDefinition;
  readonly status: CheckStatus;
  /** In maintenance, or about to go. */
  readonly draining: boolean;
}

const LOOPBACK = "127.0.0.1";
const BALANCE_DEFAULT: Balance = "least_request";
const CONNECT_TIMEOUT_DEFAULT_MS = 5_000;

/** Compiles the whole snapshot. */
export function compileSnapshot(view: AgentView): ProxySnapshot {
  const groups = groupByService(view.services);
  return {
    version: view.version,
    node: view.node,
    trustDomain: view.trustDomain,
    rootsPem: [...new Set(view.rootsPem)].sort(byText),
    inbound: view.inbound,
    identities: [...groups.keys()].flatMap((key) => view.identities.get(key) ?? []),
    locals: [...groups].map(([key, members]) => local(view, key, members)).filter((l) => l.instances.length > 0),
    outbounds: outbounds(view),
  };
}

/** Whether two snapshots differ in more than their version. */
export function sameContent(a: ProxySnapshot, b: ProxySnapshot): boolean {
  return JSON.stringify({ ...a, version: 0 }) === JSON.stringify({ ...b, version: 0 });
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Local services by `ns/name`, sorted by key and id. */
function groupByService(services: readonly LocalService[]): Map<string, LocalService[]> {
  const groups = new Map<string, LocalService[]>();
  const sorted = [...services].sort((a, b) =>
    byText(serviceKey(a.definition), serviceKey(b.definition)) || byText(a.definition.id, b.definition.id));
  for (const service of sorted) {
    const key = serviceKey(service.definition);
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [service]);
    else members.push(service);
  }
  return groups;
}

function local(view: AgentView, key: string, members: readonly LocalService[]): LocalServiceConfig {
  const declared = members.find(({ definition }) => definition.protocol !== "auto")?.definition.protocol;
  return {
    service: key,
    protocol: declared ?? view.defaults.get(key)?.protocol ?? "auto",
    // Without a port a service only calls others.
    instances: members.filter(({ definition }) => definition.port !== 0).map(localInstance),
    intentions: sortIntentions(view.intentions.get(key) ?? []),
  };
}

function localInstance({ definition, status, draining }: LocalService): LocalInstanceConfig {
  const address = definition.address === "" ? LOOPBACK : definition.address;
  return { id: definition.id, address, port: definition.port, ready: status !== "critical" && !draining, draining };
}

function outbounds(view: AgentView): OutboundConfig[] {
  const found = new Map<string, OutboundConfig>();
  const sorted = [...view.services].sort((a, b) => byText(a.definition.id, b.definition.id));
  for (const { definition } of sorted) {
    // Before its certificate is there a service cannot call, so nothing listens for it.
    if (!view.identities.has(serviceKey(definition))) continue;
    for (const upstream of definition.upstreams) {
      const outbound = compileOutbound(view, definition, upstream);
      // Two instances of one service may declare the same listener: it is one.
      const shared = outbound === undefined ? "" : `${outbound.source}>${outbound.destination}@${placeOf(upstream)}`;
      if (outbound !== undefined && !found.has(shared)) found.set(shared, outbound);
    }
  }
  return [...found.values()].sort((a, b) => byText(a.key, b.key));
}

const placeOf = (upstream: UpstreamDefinition): string =>
  upstream.bindSocketPath === "" ? `${upstream.bindAddress}:${upstream.bindPort}` : upstream.bindSocketPath;

function compileOutbound(
  view: AgentView, definition: ServiceDefinition, upstream: UpstreamDefinition,
): OutboundConfig | undefined {
  const source = serviceKey(definition);
  const destination = serviceKey(upstream);
  const endpoints = view.endpoints.get(destination);
  // Not received yet is not the same as none: a listener that answers 503 for a service that is well would be wrong.
  if (endpoints === undefined) return undefined;
  const defaults = view.defaults.get(destination);
  const place = upstream.bindSocketPath === "" ? `${upstream.bindPort}` : upstream.bindSocketPath;
  const bind: BindConfig = upstream.bindSocketPath === ""
    ? { host: upstream.bindAddress, port: upstream.bindPort }
    : { path: upstream.bindSocketPath, mode: upstream.bindSocketMode };
  return {
    key: `${source}/${definition.id}/${destination}/${place}`,
    source,
    destination,
    bind,
    protocol: upstream.protocol ?? defaults?.protocol ?? agreedProtocol(endpoints),
    balance: upstream.balance ?? defaults?.balance ?? BALANCE_DEFAULT,
    connectTimeoutMs: upstream.connectTimeoutMs ?? defaults?.connectTimeoutMs ?? CONNECT_TIMEOUT_DEFAULT_MS,
    endpoints: endpoints.map((endpoint) => compileEndpoint(view, endpoint))
      .sort((a, b) => byText(a.node, b.node) || byText(a.id, b.id)),
  };
}

/** What all instances say they speak; the first bytes decide where they differ or say nothing. */
function agreedProtocol(endpoints: readonly EndpointRecord[]): Protocol {
  const said = new Set(endpoints.map((endpoint) => endpoint.protocol));
  return said.size === 1 ? [...said][0]! : "auto";
}

function compileEndpoint(view: AgentView, endpoint: EndpointRecord): EndpointConfig {
  // A host knows its own address sooner than the catalog does.
  const here = endpoint.node === view.node;
  const weight = endpoint.status === "warning" ? endpoint.weights.warning : endpoint.weights.passing;
  return {
    id: endpoint.id,
    node: endpoint.node,
    host: here ? view.advertise : endpoint.host,
    port: here ? view.inbound.port : endpoint.inboundPort,
    weight,
    healthy: endpoint.status !== "critical" && !endpoint.draining && weight > 0,
  };
}
