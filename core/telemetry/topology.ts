import type { DurationHistogram, Reporter, RequestCount, TcpCount, TelemetryReport } from "../model/telemetry.ts";
import { type BucketPairs, quantile } from "./histogram.ts";

/*
 * What the servers remember of traffic: an hour, in memory, in slots of ten seconds. A report is filed under the slot
 * in which it arrived, so that a host with a wrong clock is still in the right place.
 *
 * Both proxies of a call report it. The caller's side also knows the calls that never arrived, the called one also
 * those from clients outside of the mesh: for each edge the side that saw more is believed, and the other is left out.
 */

export const SLOT_MS = 10_000;
export const KEPT_MS = 3_600_000;
/** Edges in one slot; a mesh of 10,000 services with 5 upstreams each is half of it. What comes after is dropped. */
const EDGES_PER_SLOT_MAX = 100_000;

/** One direction of traffic, as one side saw it in some time. */
interface EdgeCounts {
  readonly source: string;
  readonly destination: string;
  readonly reporter: Reporter;
  requests: number;
  /** 5xx, and requests that ended without a status. */
  errors: number;
  /** 403: refused by an intention or by the application itself. */
  denied: number;
  readonly durations: Map<number, number>;
  sumMs: number;
  connections: number;
  sentBytes: number;
  receivedBytes: number;
}

/** Totals of an edge or a service over a time. Rates are per second, latencies milliseconds (within 5 %). */
export interface TrafficTotals {
  readonly requestCount: number;
  readonly requestRate: number;
  readonly errorCount: number;
  /** Errors ÷ requests, 0 when there were none. */
  readonly errorRate: number;
  readonly deniedCount: number;
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  readonly latencyMeanMs: number;
  readonly tcpConnections: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface TopologyEdge extends TrafficTotals {
  /** `ns/name`. */
  readonly source: string;
  readonly destination: string;
  /** Wall time of the end of the last slot with traffic. */
  readonly lastSeenMs: number;
}

export interface MetricsPoint extends TrafficTotals {
  /** Wall time of the slot's start. */
  readonly atMs: number;
}

interface Slot {
  readonly startMs: number;
  readonly edges: Map<string, EdgeCounts>;
}

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export class TelemetryStore {
  /** Ascending by time. */
  #slots: Slot[] = [];
  /** Edges that were not taken because their slot was full. */
  droppedEdges = 0;

  /** Files a report at its arrival. */
  add(report: Pick<TelemetryReport, "requests" | "durations" | "tcp">, nowMs: number): void {
    const slot = this.#slotAt(nowMs);
    for (const row of report.requests) this.#edge(slot, row, (edge) => countRequests(edge, row));
    for (const row of report.durations) this.#edge(slot, row, (edge) => countDurations(edge, row));
    for (const row of report.tcp) this.#edge(slot, row, (edge) => countTcp(edge, row));
  }

  /** Who called whom, sorted by source and destination. */
  topology(span: Span): TopologyEdge[] {
    const seen = new Map<string, number>();
    const slots = this.#between(span);
    for (const slot of slots) {
      for (const edge of slot.edges.values()) seen.set(`${edge.source}>${edge.destination}`, slot.startMs + SLOT_MS);
    }
    return believed(mergeSlots(slots))
      .map((edge) => ({
        source: edge.source,
        destination: edge.destination,
        lastSeenMs: seen.get(`${edge.source}>${edge.destination}`)!,
        ...totals([edge], span),
      }))
      .sort((a, b) => compare(a.source, b.source) || compare(a.destination, b.destination));
  }

  /** What one service (`ns/name`) answered. */
  service(service: string, span: Span): TrafficTotals {
    const edges = believed(mergeSlots(this.#between(span)));
    return totals(edges.filter((edge) => edge.destination === service), span);
  }

  /** The same, slot by slot; slots without traffic are left out. */
  series(service: string, span: Span): MetricsPoint[] {
    const points: MetricsPoint[] = [];
    for (const slot of this.#between(span)) {
      const edges = believed(slot.edges).filter((edge) => edge.destination === service);
      const whole = { fromMs: slot.startMs, toMs: slot.startMs + SLOT_MS };
      if (edges.length > 0) points.push({ atMs: slot.startMs, ...totals(edges, whole) });
    }
    return points;
  }

  #between({ fromMs, toMs }: Span): Slot[] {
    return this.#slots.filter((slot) => slot.startMs + SLOT_MS > fromMs && slot.startMs < toMs);
  }

  #slotAt(nowMs: number): Slot {
    const startMs = Math.floor(nowMs / SLOT_MS) * SLOT_MS;
    const last = this.#slots.at(-1);
    // A clock that was set back goes on in the newest slot, so that the order holds.
    if (last !== undefined && last.startMs >= startMs) return last;
    const slot: Slot = { startMs, edges: new Map() };
    this.#slots = this.#slots.filter((old) => old.startMs > startMs - KEPT_MS);
    this.#slots.push(slot);
    return slot;
  }

  #edge(slot: Slot, row: RequestCount | DurationHistogram | TcpCount, count: (edge: EdgeCounts) => void): void {
    const key = edgeKey(row);
    let edge = slot.edges.get(key);
    if (edge === undefined) {
      if (slot.edges.size >= EDGES_PER_SLOT_MAX) {
        this.droppedEdges++;
        return;
      }
      edge = emptyEdge(row);
      slot.edges.set(key, edge);
    }
    count(edge);
  }
}

type EdgeId = Pick<EdgeCounts, "source" | "destination" | "reporter">;

const edgeKey = ({ source, destination, reporter }: EdgeId): string => `${reporter}:${source}>${destination}`;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function emptyEdge({ source, destination, reporter }: EdgeId): EdgeCounts {
  return {
    source, destination, reporter, requests: 0, errors: 0, denied: 0, durations: new Map(), sumMs: 0,
    connections: 0, sentBytes: 0, receivedBytes: 0,
  };
}

function countRequests(edge: EdgeCounts, row: RequestCount): void {
  edge.requests += row.count;
  if (row.code === 0 || row.code >= 500) edge.errors += row.count;
  if (row.code === 403) edge.denied += row.count;
}

function countDurations(edge: EdgeCounts, row: DurationHistogram): void {
  edge.sumMs += row.sumMs;
  for (const [bucket, count] of row.buckets) edge.durations.set(bucket, (edge.durations.get(bucket) ?? 0) + count);
}

function countTcp(edge: EdgeCounts, row: TcpCount): void {
  edge.connections += row.connections;
  edge.sentBytes += row.sentBytes;
  edge.receivedBytes += row.receivedBytes;
}

function mergeSlots(slots: readonly Slot[]): Map<string, EdgeCounts> {
  const merged = new Map<string, EdgeCounts>();
  for (const slot of slots) {
    for (const [key, edge] of slot.edges) {
      const sum = merged.get(key) ?? emptyEdge(edge);
      merged.set(key, sum);
      addEdge(sum, edge);
    }
  }
  return merged;
}

function addEdge(sum: EdgeCounts, edge: EdgeCounts): void {
  sum.requests += edge.requests;
  sum.errors += edge.errors;
  sum.denied += edge.denied;
  sum.sumMs += edge.sumMs;
  sum.connections += edge.connections;
  sum.sentBytes += edge.sentBytes;
  sum.receivedBytes += edge.receivedBytes;
  for (const [bucket, count] of edge.durations) sum.durations.set(bucket, (sum.durations.get(bucket) ?? 0) + count);
}

/** One side of each edge: the one that saw more, the caller's when both saw the same. */
function believed(edges: ReadonlyMap<string, EdgeCounts>): EdgeCounts[] {
  const best = new Map<string, EdgeCounts>();
  for (const edge of edges.values()) {
    const pair = `${edge.source}>${edge.destination}`;
    const other = best.get(pair);
    const more = other === undefined ? 1 : edge.requests + edge.connections - other.requests - other.connections;
    if (more > 0 || (more === 0 && edge.reporter === "source")) best.set(pair, edge);
  }
  return [...best.values()];
}

function totals(edges: readonly EdgeCounts[], span: Span): TrafficTotals {
  const sum = emptyEdge({ source: "", destination: "", reporter: "source" });
  for (const edge of edges) addEdge(sum, edge);
  const pairs: BucketPairs = [...sum.durations].sort((a, b) => a[0] - b[0]);
  const measured = pairs.reduce((total, [, count]) => total + count, 0);
  // The first slot counts whole, so its whole time does too: a rate over part of it would be too high.
  const fromMs = Math.floor(span.fromMs / SLOT_MS) * SLOT_MS;
  const seconds = Math.max(1, (span.toMs - fromMs) / 1000);
  return {
    requestCount: sum.requests,
    requestRate: sum.requests / seconds,
    errorCount: sum.errors,
    errorRate: sum.requests === 0 ? 0 : sum.errors / sum.requests,
    deniedCount: sum.denied,
    latencyP50Ms: quantile(pairs, 0.5),
    latencyP99Ms: quantile(pairs, 0.99),
    latencyMeanMs: measured === 0 ? 0 : sum.sumMs / measured,
    tcpConnections: sum.connections,
    sentBytes: sum.sentBytes,
    receivedBytes: sum.receivedBytes,
  };
}
