import { MeshError } from "../../core/base/errors.ts";
import { isoTime } from "../../core/catalog/iso-time.ts";
import { parseServiceName, serviceKey } from "../../core/model/names.ts";
import { KEPT_MS, SLOT_MS, type Span, type TopologyEdge, type TrafficTotals } from "../../core/telemetry/topology.ts";
import { type ApiRequest, type ApiResponse, jsonResponse } from "../../io/api/router.ts";
import type { Access } from "../access.ts";
import { clusterOf } from "../authority.ts";
import type { ServerContext } from "../context.ts";
import { guarded, type GuardedRoute, list, namespaceOf, readOf } from "./query.ts";

/** What Consul has no endpoint for: hosts with what they may be, the topology, a service's metrics. */
export function meshRoutes(context: ServerContext): GuardedRoute[] {
  return [
    guarded(context, "GET /v1/mesh/nodes", (req) => list(context, req, {
      topics: ["nodes", "instances"], read: (access) => nodes(context, access),
    })),
    guarded(context, "GET /v1/mesh/topology", (req, access) => jsonResponse(topology(context, req, access))),
    guarded(context, "GET /v1/mesh/metrics/:service", (req, access) => metrics(context, req, access)),
    guarded(context, "GET /v1/agent/self", () => jsonResponse(self(context))),
  ];
}

function nodes({ catalog }: ServerContext, access: Access): object[] {
  return catalog.nodes().map((node) => ({
    name: node.name,
    id: node.id,
    address: node.address,
    inbound_port: node.inboundPort,
    meta: node.meta,
    // Names of services in namespaces that the token may not read are none of its business.
    allow: node.allow.filter((pattern) => pattern === "*" || access.can(readOf(namespaceOfKey(pattern)))),
    revoked: node.revoked ?? false,
    instances: catalog.instancesOn(node.name)
      .filter((instance) => access.can(readOf(instance.namespace)))
      .map(({ id, namespace, service, port }) => ({ id, service: serviceKey({ namespace, name: service }), port })),
    modify_index: node.modifyIndex ?? 0,
  }));
}

/** Enough of Consul's answer for clients that ask a server for its datacenter (Prometheus does). */
function self(context: ServerContext): object {
  const { catalog, datacenter, node, raft } = context;
  const { clusterId, trustDomain } = clusterOf(catalog);
  const { leader, term, commitIndex, appliedIndex, state } = raft.status();
  return {
    Config: { Datacenter: datacenter, NodeName: node, Server: true },
    Member: { Name: node, Tags: { role: "server", cluster: clusterId, trust_domain: trustDomain } },
    Stats: { raft: { leader: leader ?? "", term, commit_index: commitIndex, applied_index: appliedIndex, state } },
  };
}

const SPAN_MS_DEFAULT = 300_000;
/** Larger numbers are milliseconds: as seconds they would be after the year 5000. */
const SECONDS_MAX = 100_000_000_000;

/** `start` and `end`: seconds or milliseconds since 1970, or RFC 3339. The last five minutes when left out. */
function spanOf(req: ApiRequest, nowMs: number): Span {
  const time = (name: string): number | undefined => {
    const text = req.query.get(name) ?? "";
    if (text === "") return undefined;
    const number = Number(text);
    const ms = /^\d+(?:\.\d+)?$/.test(text) ? (number < SECONDS_MAX ? number * 1000 : number) : Date.parse(text);
    if (Number.isFinite(ms)) return ms;
    throw new MeshError("INVALID", `${name}=${text} is not a time`, {
      fix: "use seconds or milliseconds since 1970, or a time such as 2026-01-31T12:00:00Z",
    });
  };
  const toMs = time("end") ?? nowMs;
  const fromMs = time("start") ?? toMs - SPAN_MS_DEFAULT;
  if (fromMs >= toMs) throw new MeshError("INVALID", "start is not before end");
  return { fromMs: Math.max(fromMs, nowMs - KEPT_MS), toMs: Math.min(toMs, nowMs + SLOT_MS) };
}

const namespaceOfKey = (key: string): string => key.split("/", 1)[0]!;

function topology(context: ServerContext, req: ApiRequest, access: Access): object {
  const span = spanOf(req, context.nowMs());
  const readable = (key: string): boolean => access.can(readOf(namespaceOfKey(key)));
  const services = context.catalog.services().filter(({ namespace }) => access.can(readOf(namespace)));
  return {
    start: isoTime(span.fromMs),
    end: isoTime(span.toMs),
    services: services.map(({ namespace, name, instances, passing, warning, critical }) =>
      ({ service: serviceKey({ namespace, name }), instances, passing, warning, critical })),
    edges: context.telemetry.topology(span)
      .filter((edge) => readable(edge.source) || readable(edge.destination)).map(edgeShape),
  };
}

function edgeShape({ source, destination, lastSeenMs, ...totals }: TopologyEdge): object {
  return { source, destination, last_seen: isoTime(lastSeenMs), ...totalsShape(totals) };
}

/** Milliseconds to the microsecond; null where nothing was answered, for no request takes 0 ms. */
const latency = (ms: number): number | null => (ms === 0 ? null : Math.round(ms * 1000) / 1000);

function totalsShape(totals: TrafficTotals): Record<string, number | null> {
  return {
    request_count: totals.requestCount,
    request_rate: totals.requestRate,
    error_count: totals.errorCount,
    error_rate: totals.errorRate,
    denied_count: totals.deniedCount,
    latency_p50: latency(totals.latencyP50Ms),
    latency_p99: latency(totals.latencyP99Ms),
    latency_mean: latency(totals.latencyMeanMs),
    tcp_connections: totals.tcpConnections,
    sent_bytes: totals.sentBytes,
    received_bytes: totals.receivedBytes,
  };
}

const METRICS_DEFAULT = ["request_count", "latency_p50", "latency_p99", "error_rate"];

function metrics(context: ServerContext, req: ApiRequest, access: Access): ApiResponse {
  const service = parseServiceName(req.params["service"]!, namespaceOf(req));
  access.require(readOf(service.namespace));
  const key = serviceKey(service);
  const span = spanOf(req, context.nowMs());
  const totals = totalsShape(context.telemetry.service(key, span));
  const wanted = (req.query.get("metrics") ?? "").split(",").filter((name) => name !== "");
  const names = wanted.length === 0 ? METRICS_DEFAULT : wanted;
  const unknown = names.find((name) => !Object.hasOwn(totals, name));
  if (unknown !== undefined) {
    throw new MeshError("INVALID", `there is no metric "${unknown}"`, { fix: `use ${Object.keys(totals).join(", ")}` });
  }
  const known = context.catalog.instancesOf(service.namespace, service.name).length > 0;
  if (!known && totals["request_count"] === 0 && totals["tcp_connections"] === 0) {
    throw new MeshError("NOT_FOUND", `there is no service ${key}, and no traffic to it`, { fix: "mesh services" });
  }
  const pick = (all: Record<string, number | null>): object =>
    Object.fromEntries(names.map((name) => [name, all[name]!]));
  return jsonResponse({
    service: key,
    start: isoTime(span.fromMs),
    end: isoTime(span.toMs),
    interval_seconds: SLOT_MS / 1000,
    metrics: pick(totals),
    series: context.telemetry.series(key, span)
      .map((point) => ({ time: isoTime(point.atMs), ...pick(totalsShape(point)) })),
  });
}
