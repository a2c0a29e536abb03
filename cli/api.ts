/** The HTTP API as the commands use it: one function for each endpoint, with the part of its answer that they read. */
import type { CheckStatus } from "../core/model/catalog.ts";
import { MeshError } from "../core/base/errors.ts";
import { type ServiceName, parseServiceName, serviceKey } from "../core/model/names.ts";
import type { ApiClient } from "../io/client.ts";
import { shortKey } from "./names.ts";

export interface CheckEntry {
  readonly CheckID: string;
  readonly Name: string;
  readonly Status: CheckStatus;
  readonly Output: string;
  readonly ServiceID: string;
  readonly Type?: string;
}

/** A host inside Consul's health entry. */
interface EntryNode {
  readonly Node: string;
  readonly Address: string;
}

export interface NodeEntry {
  readonly name: string;
  readonly address: string;
  readonly inbound_port: number;
  readonly allow: readonly string[];
  readonly revoked: boolean;
  readonly instances: readonly { readonly id: string; readonly service: string; readonly port: number }[];
}

export interface HealthEntry {
  readonly Node: EntryNode;
  readonly Service: {
    readonly ID: string;
    readonly Service: string;
    readonly Namespace?: string;
    readonly Address: string;
    readonly Port: number;
    readonly Tags: readonly string[];
  };
  readonly Checks: readonly CheckEntry[];
}

export interface IntentionEntry {
  readonly ID: string;
  readonly SourceNS: string;
  readonly SourceName: string;
  readonly DestinationNS: string;
  readonly DestinationName: string;
  readonly Action: "allow" | "deny";
  readonly Description: string;
  readonly Precedence: number;
}

/** Path segments, escaped. */
export const path = (...parts: readonly string[]): string => parts.map((p) => `/${encodeURIComponent(p)}`).join("");

export async function serviceTags(client: ApiClient, namespace?: string): Promise<Record<string, readonly string[]>> {
  return (await client.json("GET", "/v1/catalog/services", { query: { ns: namespace } })) as Record<string, string[]>;
}

export async function nodes(client: ApiClient): Promise<readonly NodeEntry[]> {
  return (await client.json("GET", "/v1/mesh/nodes")) as NodeEntry[];
}

export async function health(
  client: ApiClient, service: ServiceName, options: { passing?: boolean } = {},
): Promise<readonly HealthEntry[]> {
  const query = { ns: service.namespace, ...(options.passing === true ? { passing: "" } : {}) };
  return (await client.json("GET", `/v1/health/service${path(service.name)}`, { query })) as HealthEntry[];
}

interface Pair {
  readonly [side: string]: string;
  readonly source: string;
  readonly destination: string;
}

const pair = (source: string, destination: string): Pair => ({ source, destination });

export async function intentions(client: ApiClient): Promise<readonly IntentionEntry[]> {
  return (await client.json("GET", "/v1/connect/intentions")) as IntentionEntry[];
}

/** The intention of exactly this pair; undefined when there is none. */
export async function intentionExact(
  client: ApiClient, source: string, destination: string,
): Promise<IntentionEntry | undefined> {
  try {
    const query = pair(source, destination);
    return (await client.json("GET", "/v1/connect/intentions/exact", { query })) as IntentionEntry;
  } catch (error) {
    if (error instanceof MeshError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

export async function putIntention(
  client: ApiClient, intention: { source: string; destination: string; action: string; description: string },
): Promise<void> {
  await client.json("PUT", "/v1/connect/intentions/exact", {
    query: pair(intention.source, intention.destination),
    body: { Action: intention.action, Description: intention.description },
  });
}

export async function deleteIntention(client: ApiClient, source: string, destination: string): Promise<void> {
  await client.json("DELETE", "/v1/connect/intentions/exact", { query: pair(source, destination) });
}

export interface IntentionVerdict {
  readonly Allowed: boolean;
  /** Why, in words; ours. */
  readonly Reason?: string;
  readonly Intention?: IntentionEntry | null;
}

export async function checkIntention(
  client: ApiClient, source: string, destination: string,
): Promise<IntentionVerdict> {
  const query = pair(source, destination);
  return (await client.json("GET", "/v1/connect/intentions/check", { query })) as IntentionVerdict;
}

export async function matchIntentions(
  client: ApiClient, by: string, service: ServiceName,
): Promise<readonly IntentionEntry[]> {
  const name = serviceKey(service);
  const found = await client.json("GET", "/v1/connect/intentions/match", { query: { by, name } });
  const lists = Object.values((found ?? {}) as Record<string, IntentionEntry[]>);
  return lists[0] ?? [];
}

const ORDER: readonly CheckStatus[] = ["passing", "warning", "critical"];

/** Passing without checks: what nobody tests is taken to be well, as Consul does. */
export function worstStatus(checks: readonly Pick<CheckEntry, "Status">[]): CheckStatus {
  return ORDER[Math.max(0, ...checks.map((c) => ORDER.indexOf(c.Status)))]!;
}

export interface ServiceSummary {
  readonly namespace: string;
  readonly name: string;
  readonly status: CheckStatus;
  readonly instances: number;
  readonly passing: number;
  readonly tags: readonly string[];
}

export async function serviceSummaries(client: ApiClient): Promise<readonly ServiceSummary[]> {
  const [topology, tags] = await Promise.all([getTopology(client, {}), serviceTags(client, "*")]);
  return topology.services.map(({ service, instances, passing, critical }) => ({
    ...parseServiceName(service),
    // A service is as well as its worst instance, and down only when nothing of it is up.
    status: passing === instances ? "passing" : critical === instances ? "critical" : "warning",
    instances,
    passing,
    tags: tags[shortKey(service)] ?? [],
  }));
}

export interface TopologyEdge {
  readonly source: string;
  readonly destination: string;
  readonly last_seen: string;
  readonly request_count: number;
  readonly request_rate: number;
  readonly error_rate: number;
  readonly denied_count: number;
  /** Milliseconds; null: nothing was answered. */
  readonly latency_p50: number | null;
  readonly latency_p99: number | null;
  readonly tcp_connections: number;
  readonly sent_bytes: number;
  readonly received_bytes: number;
}

export interface Topology {
  readonly start: string;
  readonly end: string;
  readonly services: readonly ServiceCounts[];
  readonly edges: readonly TopologyEdge[];
}

export interface ServiceCounts {
  readonly service: string;
  readonly instances: number;
  readonly passing: number;
  readonly warning: number;
  readonly critical: number;
}

/** Milliseconds since 1970. */
export interface Span {
  readonly start?: number;
  readonly end?: number;
}

export async function getTopology(client: ApiClient, span: Span): Promise<Topology> {
  return (await client.json("GET", "/v1/mesh/topology", { query: { ...span } })) as Topology;
}

export interface Metrics {
  readonly service: string;
  readonly start: string;
  readonly end: string;
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly series: readonly Readonly<Record<string, string | number | null>>[];
}

export async function getMetrics(
  client: ApiClient, service: ServiceName, options: Span & { metrics?: string },
): Promise<Metrics> {
  const query = { ns: service.namespace, ...options };
  return (await client.json("GET", `/v1/mesh/metrics${path(service.name)}`, { query })) as Metrics;
}
