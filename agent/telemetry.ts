/**
 * The proxy counts from zero at each of its starts; here its counters become the host's: totals that only grow (for
 * Prometheus) and differences that were not sent yet (for the servers), whatever the proxy lived through.
 */
import { mergePairs, subtractPairs } from "../core/telemetry/histogram.ts";
import type {
  DurationHistogram, ProxyStats, RequestCount, TcpCount, TelemetryReport,
} from "../core/model/telemetry.ts";

type Denied = ProxyStats["denied"][number];

/** Rows by key. */
export interface Totals {
  readonly requests: Map<string, RequestCount>;
  readonly durations: Map<string, DurationHistogram>;
  readonly tcp: Map<string, TcpCount>;
  readonly denied: Map<string, Denied>;
}

/** Beyond these a new kind of row is left out: no client can fill the host's memory with made-up methods. */
const ROWS_MAX = 20_000;

const empty = (): Totals => ({ requests: new Map(), durations: new Map(), tcp: new Map(), denied: new Map() });

export class TelemetryTotals {
  readonly totals: Totals = empty();
  /** The last look at the running proxy, for what is no counter. */
  latest: ProxyStats | undefined;
  #last: Totals = empty();
  #pending: Totals = empty();
  #pendingFromMs: number;

  constructor(nowMs: number) {
    this.#pendingFromMs = nowMs;
  }

  /** Takes the proxy's counters; a proxy that started anew counts from zero. */
  absorb(stats: ProxyStats): void {
    const before = this.latest?.startedAtMs === stats.startedAtMs ? this.#last : empty();
    const now = index(stats);
    const delta = difference(now, before);
    add(this.totals, delta);
    add(this.#pending, delta);
    this.#last = now;
    this.latest = stats;
  }

  /** What was not sent yet, to be sent now; one that does not arrive is put back. */
  take(node: string, nowMs: number): TelemetryReport {
    const { requests, durations, tcp } = this.#pending;
    const report = { node, fromMs: this.#pendingFromMs, toMs: nowMs, requests: [...requests.values()],
      durations: [...durations.values()], tcp: [...tcp.values()] };
    this.#pending = empty();
    this.#pendingFromMs = nowMs;
    return report;
  }

  /** A report that did not arrive counts into the next one. */
  putBack(report: TelemetryReport): void {
    add(this.#pending, index({ ...report, denied: [] }));
    this.#pendingFromMs = Math.min(this.#pendingFromMs, report.fromMs);
  }
}

function index(rows: Pick<ProxyStats, "requests" | "durations" | "tcp" | "denied">): Totals {
  const edge = (row: { reporter: string; source: string; destination: string }): string =>
    `${row.reporter} ${row.source} ${row.destination}`;
  return {
    requests: new Map(rows.requests.map((row) => [`${edge(row)} ${row.method} ${row.code}`, row])),
    durations: new Map(rows.durations.map((row) => [edge(row), row])),
    tcp: new Map(rows.tcp.map((row) => [edge(row), row])),
    denied: new Map(rows.denied.map((row) => [`${row.source} ${row.destination}`, row])),
  };
}

function difference(now: Totals, before: Totals): Totals {
  const delta = empty();
  for (const [key, row] of now.requests) {
    const count = row.count - (before.requests.get(key)?.count ?? 0);
    if (count > 0) delta.requests.set(key, { ...row, count });
  }
  for (const [key, row] of now.durations) {
    const old = before.durations.get(key);
    const count = row.count - (old?.count ?? 0);
    if (count <= 0) continue;
    const buckets = subtractPairs(row.buckets, old?.buckets ?? []);
    delta.durations.set(key, { ...row, buckets, count, sumMs: row.sumMs - (old?.sumMs ?? 0) });
  }
  for (const [key, row] of now.tcp) {
    const old = before.tcp.get(key);
    const connections = row.connections - (old?.connections ?? 0);
    const sentBytes = row.sentBytes - (old?.sentBytes ?? 0);
    const receivedBytes = row.receivedBytes - (old?.receivedBytes ?? 0);
    if (connections > 0 || sentBytes > 0 || receivedBytes > 0) {
      delta.tcp.set(key, { ...row, connections, sentBytes, receivedBytes });
    }
  }
  for (const [key, row] of now.denied) {
    const count = row.count - (before.denied.get(key)?.count ?? 0);
    if (count > 0) delta.denied.set(key, { ...row, count });
  }
  return delta;
}

function add(sum: Totals, delta: Totals): void {
  merge(sum.requests, delta.requests, (a, b) => ({ ...a, count: a.count + b.count }));
  merge(sum.durations, delta.durations, (a, b) => ({
    ...a, buckets: mergePairs(a.buckets, b.buckets), count: a.count + b.count, sumMs: a.sumMs + b.sumMs,
  }));
  merge(sum.tcp, delta.tcp, (a, b) => ({
    ...a, connections: a.connections + b.connections, sentBytes: a.sentBytes + b.sentBytes,
    receivedBytes: a.receivedBytes + b.receivedBytes,
  }));
  merge(sum.denied, delta.denied, (a, b) => ({ ...a, count: a.count + b.count }));
}

function merge<T>(sum: Map<string, T>, delta: ReadonlyMap<string, T>, join: (a: T, b: T) => T): void {
  for (const [key, row] of delta) {
    const known = sum.get(key);
    if (known !== undefined) sum.set(key, join(known, row));
    else if (sum.size < ROWS_MAX) sum.set(key, row);
  }
}
