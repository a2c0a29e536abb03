/**
 * The Prometheus page. The proxy counts; the agent shows its totals under the names that users ask for, and
 * everything else under `mesh_`. Metrics are computed when the page is asked for: nothing is paid between scrapes.
 */
import { collectDefaultMetrics, Registry, type Metric, type MetricObject } from "prom-client";
import { bucketMiddleMs } from "../core/telemetry/histogram.ts";
import type { DurationHistogram, Reporter } from "../core/model/telemetry.ts";
import type { AgentContext } from "./context.ts";
import type { TelemetryTotals } from "./telemetry.ts";

type Labels = Record<string, string | number>;
interface Sample { readonly labels: Labels; readonly value: number; readonly metricName?: string }
interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: () => Sample[];
}

/** Seconds. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface MetricsPage {
  /** Text format 0.0.4. */
  text(): Promise<string>;
  readonly contentType: string;
  close(): void;
}

export function createMetricsPage(context: AgentContext): MetricsPage {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const family of [...userFamilies(context), ...proxyFamilies(context), ...agentFamilies(context)]) {
    registry.registerMetric(asMetric(family));
  }
  return { text: () => registry.metrics(), contentType: registry.contentType, close: () => registry.clear() };
}

/** prom-client asks a registered metric for its name and its values; it need not be one of its own classes. */
function asMetric({ name, help, type, samples }: Family): Metric {
  const get = (): Promise<MetricObject & { values: Sample[] }> =>
    Promise.resolve({
      name, help, type: type as unknown as MetricObject["type"], aggregator: "sum", collect: () => undefined,
      values: samples(),
    });
  return { name, get, reset: () => undefined } as unknown as Metric;
}

/** `web` in the default namespace, `shop/web` elsewhere. */
const shown = (service: string): string => service.replace(/^default\//, "");

/** The four metrics whose names users fixed: what local services answered, as their own host saw it. */
function userFamilies({ telemetry, state }: AgentContext): Family[] {
  return [
    { name: "requests_total", help: "HTTP requests that local services answered", type: "counter", samples: () => {
      const sums = new Map<string, Sample & { value: number }>();
      for (const row of telemetry.totals.requests.values()) {
        if (row.reporter !== "destination") continue;
        const labels = { service: shown(row.destination), method: row.method, code: `${row.code}` };
        const key = JSON.stringify(labels);
        sums.set(key, { labels, value: (sums.get(key)?.value ?? 0) + row.count });
      }
      return [...sums.values()];
    } },
    { name: "request_duration_seconds", help: "Time that local services took to answer", type: "histogram",
      samples: () => histograms(durationsOf(telemetry, "destination"),
        (row) => ({ service: shown(row.destination) }), "request_duration_seconds") },
    { name: "active_connections", help: "Open connections and streams to local services", type: "gauge",
      samples: () => (telemetry.latest?.active ?? []).map(({ service, count }) =>
        ({ labels: { service: shown(service) }, value: count })) },
    { name: "circuit_breaker_state", help: "0 closed, 1 half open, 2 open", type: "gauge", samples: () => {
      const pairs = new Map<string, Sample>();
      for (const { definition } of state.services()) {
        for (const upstream of definition.upstreams) {
          const name = (of: { namespace: string; name: string }): string => shown(`${of.namespace}/${of.name}`);
          const labels = { service: name(definition), upstream: name(upstream) };
          pairs.set(JSON.stringify(labels), { labels, value: 0 });
        }
      }
      return [...pairs.values()];
    } },
  ];
}

const edge = (row: { source: string; destination: string }): Labels =>
  ({ source: shown(row.source), destination: shown(row.destination) });

function proxyFamilies({ telemetry, control, supervisor, publisher }: AgentContext): Family[] {
  const { totals } = telemetry;
  const gauge = (name: string, help: string, value: () => number, labels: Labels = {}): Family =>
    ({ name, help, type: "gauge", samples: () => [{ labels, value: value() }] });
  const tcp = (name: string, help: string, pick: "sentBytes" | "receivedBytes" | "connections"): Family =>
    ({ name, help, type: "counter", samples: () => [...totals.tcp.values()].map((row) =>
      ({ labels: { ...edge(row), reporter: row.reporter }, value: row[pick] })) });
  return [
    { name: "mesh_upstream_requests_total", help: "HTTP requests that local services sent", type: "counter",
      samples: () => [...totals.requests.values()].filter((row) => row.reporter === "source").map((row) =>
        ({ labels: { ...edge(row), method: row.method, code: `${row.code}` }, value: row.count })) },
    { name: "mesh_upstream_request_duration_seconds", help: "Time until a call was answered, as the caller saw it",
      type: "histogram", samples: () =>
        histograms(durationsOf(telemetry, "source"), edge, "mesh_upstream_request_duration_seconds") },
    { name: "mesh_intention_denied_total", help: "Calls refused by intentions", type: "counter",
      samples: () => [...totals.denied.values()].map((row) => ({ labels: edge(row), value: row.count })) },
    tcp("mesh_tcp_connections_total", "TCP connections", "connections"),
    tcp("mesh_tcp_sent_bytes_total", "Bytes sent on TCP connections", "sentBytes"),
    tcp("mesh_tcp_received_bytes_total", "Bytes received on TCP connections", "receivedBytes"),
    gauge("mesh_proxy_up", "1 while the proxy is connected", () => (control.status().connected ? 1 : 0)),
    { name: "mesh_proxy_restarts_total", help: "How often the proxy was started again", type: "counter",
      samples: () => [{ labels: {}, value: supervisor.status().restarts }] },
    gauge("mesh_config_version", "Newest compiled snapshot", () => publisher.version),
    gauge("mesh_config_lag", "Snapshots that the proxy has not acknowledged yet", () =>
      Math.max(0, publisher.version - control.status().ackedVersion)),
    gauge("mesh_proxy_anonymous_bytes", "Private memory of the proxy", () =>
      telemetry.latest?.process.anonymousBytes ?? 0),
    gauge("mesh_proxy_tunnels", "Open tunnels to and from other hosts", () => telemetry.latest?.process.tunnels ?? 0),
    gauge("mesh_proxy_loop_delay_p99_seconds", "Event loop delay of the proxy", () =>
      (telemetry.latest?.process.loopDelayP99Ms ?? 0) / 1000),
    gauge("mesh_proxy_cpu_seconds", "CPU time of the running proxy process", () =>
      telemetry.latest?.process.cpuSeconds ?? 0),
  ];
}

function agentFamilies({ identities, nodeRenewal, link, sync, store, checks }: AgentContext): Family[] {
  const left = (notAfterMs: number): number => (notAfterMs - Date.now()) / 1000;
  return [
    { name: "mesh_cert_expiry_seconds", help: "Time until a certificate expires", type: "gauge", samples: () => [
      ...identities.status().filter((i) => i.notAfterMs > 0).map((i) =>
        ({ labels: { service: shown(i.service) }, value: left(i.notAfterMs) })),
      { labels: { service: "_node" }, value: left(nodeRenewal.status().notAfterMs) },
    ] },
    { name: "mesh_server_connected", help: "1 while the watch stream is up", type: "gauge",
      samples: () => [{ labels: {}, value: link.status().connected ? 1 : 0 }] },
    { name: "mesh_catalog_index", help: "Newest index seen from the servers", type: "gauge",
      samples: () => [{ labels: {}, value: store.index() }] },
    { name: "mesh_registrations_refused", help: "Local services that the servers refuse", type: "gauge",
      samples: () => [{ labels: {}, value: sync.status().refusals.length }] },
    { name: "mesh_check_status", help: "0 passing, 1 warning, 2 critical", type: "gauge",
      samples: () => checks.checks().map(({ definition, service, status }) => ({
        labels: { service: shown(`${service.namespace}/${service.name}`), check: definition.id },
        value: ["passing", "warning", "critical"].indexOf(status),
      })) },
  ];
}

function durationsOf({ totals }: TelemetryTotals, reporter: Reporter): DurationHistogram[] {
  return [...totals.durations.values()].filter((row) => row.reporter === reporter);
}

/** Log-scaled buckets into Prometheus' cumulative ones; a bucket counts where its middle lies. */
function histograms(
  rows: readonly DurationHistogram[], labelsOf: (row: DurationHistogram) => Labels, name: string,
): Sample[] {
  const groups = new Map<string, { labels: Labels; rows: DurationHistogram[] }>();
  for (const row of rows) {
    const labels = labelsOf(row);
    const group = groups.get(JSON.stringify(labels));
    if (group === undefined) groups.set(JSON.stringify(labels), { labels, rows: [row] });
    else group.rows.push(row);
  }
  return [...groups.values()].flatMap(({ labels, rows: own }) => {
    const pairs = own.flatMap((row) => row.buckets);
    const count = own.reduce((sum, row) => sum + row.count, 0);
    const below = (bound: number): number => pairs.reduce((sum, [bucket, n]) =>
      (bucketMiddleMs(bucket) <= bound * 1000 ? sum + n : sum), 0);
    return [
      ...BOUNDS.map((le) => ({ labels: { ...labels, le }, value: below(le), metricName: `${name}_bucket` })),
      { labels: { ...labels, le: "+Inf" }, value: count, metricName: `${name}_bucket` },
      { labels, value: own.reduce((sum, row) => sum + row.sumMs, 0) / 1000, metricName: `${name}_sum` },
      { labels, value: count, metricName: `${name}_count` },
    ];
  });
}
