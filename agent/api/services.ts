/** What runs here, in Consul's shapes; what Consul has no field for stands under `Mesh`. */
import type { CheckDefinition, ServiceDefinition, UpstreamDefinition } from "../../core/model/service.ts";
import { serviceKey } from "../../core/model/names.ts";
import type { ApiRequest, ApiResponse } from "../../io/api/router.ts";
import type { LocalAccess } from "../access.ts";
import type { LocalCheck } from "../check-runner.ts";
import type { AgentContext } from "../context.ts";
import type { RegisteredService } from "../local-state.ts";
import { knownService } from "./register.ts";

const DATACENTER = "dc1";

/** `GET /v1/agent/services[?ns=NAME|*]`: by id. */
export function services(context: AgentContext, access: LocalAccess, req: ApiRequest): ApiResponse {
  const shapes = visible(context, access, req).map((service) => [service.definition.id, shape(context, service)]);
  return { status: 200, body: Object.fromEntries(shapes) as object };
}

/** `GET /v1/agent/service/:id`. */
export function service(context: AgentContext, access: LocalAccess, req: ApiRequest): ApiResponse {
  const known = knownService(context, req.params["id"]!);
  access.require({ kind: "read", namespace: known.definition.namespace });
  return { status: 200, body: shape(context, known) };
}

/** `GET /v1/agent/checks[?ns=NAME|*]`: by id. */
export function checks(context: AgentContext, access: LocalAccess, req: ApiRequest): ApiResponse {
  const ids = new Set(visible(context, access, req).map(({ definition }) => definition.id));
  const shown = context.checks.checks().filter((check) => ids.has(check.service.id));
  const shapes = shown.map((check) => [check.definition.id, checkShape(context, check)]);
  return { status: 200, body: Object.fromEntries(shapes) as object };
}

/** `GET /v1/agent/self`. */
export function self(context: AgentContext): ApiResponse {
  const { options, nodeId, link } = context;
  const { trustDomain, clusterId } = link.credentials;
  const inboundPort = `${context.inboundPort()}`;
  return { status: 200, body: {
    Config: { Datacenter: DATACENTER, NodeName: options.node, NodeID: nodeId, Server: false },
    Member: { Name: options.node, Addr: options.advertise,
      Tags: { role: "agent", cluster: clusterId, trust_domain: trustDomain, inbound_port: inboundPort } },
  } };
}

/** Everything that the caller may read, without `ns` in every namespace. */
function visible(context: AgentContext, access: LocalAccess, req: ApiRequest): readonly RegisteredService[] {
  const namespace = req.query.get("ns") ?? "*";
  return context.state.services().filter(({ definition }) =>
    (namespace === "*" || namespace === definition.namespace)
    && access.can({ kind: "read", namespace: definition.namespace }));
}

function shape(context: AgentContext, { definition, origin, maintenance }: RegisteredService): object {
  const refusal = context.sync.status().refusals.find(({ id }) => id === definition.id);
  const identity = context.identities.status().find((known) => known.service === serviceKey(definition));
  return {
    ...consulShape(definition),
    Mesh: {
      Status: maintenance === undefined ? context.checks.statusOf(definition.id) : "maintenance",
      Protocol: definition.protocol,
      Origin: origin,
      Upstreams: definition.upstreams.map(upstreamShape),
      ...(maintenance === undefined ? {} : { Maintenance: maintenance }),
      ...(identity === undefined ? {} : { SpiffeID: identity.spiffeId, CertNotAfter: isoOrEmpty(identity.notAfterMs),
        ...(identity.error === "" ? {} : { CertError: identity.error }) }),
      ...(refusal === undefined ? {} : { Refused: { Code: refusal.code, Message: refusal.message, Fix: refusal.fix } }),
    },
  };
}

function consulShape(definition: ServiceDefinition): object {
  const { id, name, namespace, address, port, tags, meta, weights } = definition;
  return {
    ID: id, Service: name, Namespace: namespace, Tags: tags, Meta: meta, Address: address, Port: port,
    Weights: { Passing: weights.passing, Warning: weights.warning }, EnableTagOverride: false, Datacenter: DATACENTER,
  };
}

function upstreamShape(upstream: UpstreamDefinition): object {
  return {
    DestinationName: upstream.name,
    DestinationNamespace: upstream.namespace,
    ...(upstream.bindSocketPath === ""
      ? { LocalBindAddress: upstream.bindAddress, LocalBindPort: upstream.bindPort }
      : { LocalBindSocketPath: upstream.bindSocketPath, LocalBindSocketMode: upstream.bindSocketMode }),
  };
}

function checkShape({ options }: AgentContext, { definition, service, status, output }: LocalCheck): object {
  return {
    Node: options.node, CheckID: definition.id, Name: definition.name, Status: status, Notes: definition.notes,
    Output: output, ServiceID: service.id, ServiceName: service.name, ServiceTags: service.tags,
    Namespace: service.namespace, Type: definition.probe.type, ...timing(definition),
  };
}

const timing = ({ intervalMs, timeoutMs, probe }: CheckDefinition): object =>
  probe.type === "ttl" ? { TTL: `${probe.ttlMs}ms` } : { Interval: `${intervalMs}ms`, Timeout: `${timeoutMs}ms` };

/** RFC 3339, or nothing for a time that is not known. */
export const isoOrEmpty = (wallMs: number): string => (wallMs === 0 ? "" : new Date(wallMs).toISOString());
