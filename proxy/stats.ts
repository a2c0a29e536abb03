// hot: settle runs once per request
/** What a proxy counts. Rows are made when configuration arrives or a peer connects; the hot path holds its row. */
import { readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { ELDHistogram } from "node:perf_hooks";
import { METHOD_NAMES, Method } from "../core/http/constants.ts";
import type { ProxyStats, Reporter } from "../core/model/telemetry.ts";
import { Histogram } from "../core/telemetry/histogram.ts";

interface Bytes {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** One caller and one called service, as one side saw them. */
export class Series {
  readonly reporter: Reporter;
  readonly source: string;
  readonly destination: string;
  readonly durations = new Histogram();
  /** Requests by method and status: key is method × 1024 + status. */
  readonly codes = new Map<number, number>();
  active = 0;
  denied = 0;
  tcpConnections = 0;
  tcpSentBytes = 0;
  tcpReceivedBytes = 0;
  /** TCP connections that still run: a database's lives for days, and its bytes count from the first. */
  readonly relays = new Set<Bytes>();

  constructor(reporter: Reporter, source: string, destination: string) {
    this.reporter = reporter;
    this.source = source;
    this.destination = destination;
  }

  settle(methodId: number, status: number, ms: number): void {
    const key = methodId * 1024 + status;
    this.codes.set(key, (this.codes.get(key) ?? 0) + 1);
    this.durations.record(ms);
  }
}

/** Pairs that were counted; more than these share one row, so that no peer decides how much we remember. */
const SERIES_MAX = 4_096;
const LOOP_RESOLUTION_MS = 20;

export class Stats {
  private readonly series = new Map<string, Series>();
  private readonly startedAtMs: number;
  private readonly loop: ELDHistogram;
  /** Streams and connections that a change of policy cut. */
  policyCuts = 0;

  constructor(startedAtMs: number) {
    this.startedAtMs = startedAtMs;
    this.loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    this.loop.enable();
  }

  row(reporter: Reporter, source: string, destination: string): Series {
    const key = `${reporter} ${source} ${destination}`;
    const known = this.series.get(key);
    if (known !== undefined) return known;
    if (this.series.size >= SERIES_MAX && source !== "") return this.row(reporter, "", "");
    const made = new Series(reporter, source, destination);
    this.series.set(key, made);
    return made;
  }

  /** Counters since the start; the loop's delay since the last read. */
  read(tunnels: number): ProxyStats {
    const rows = [...this.series.values()];
    const delayMs = this.loop.percentile(99) / 1e6 - LOOP_RESOLUTION_MS;
    this.loop.reset();
    const { user, system } = process.cpuUsage();
    const pair = ({ reporter, source, destination }: Series) => ({ reporter, source, destination });
    return {
      startedAtMs: this.startedAtMs,
      requests: rows.flatMap((row) => [...row.codes].map(([key, count]) => ({
        ...pair(row), method: methodOf(key >> 10), code: key & 1023, count,
      }))),
      durations: rows.filter((row) => row.durations.count > 0).map((row) => ({
        ...pair(row), buckets: row.durations.toPairs(), count: row.durations.count, sumMs: row.durations.sumMs,
      })),
      active: activeByService(rows),
      tcp: rows.filter((row) => row.tcpConnections > 0).map((row) => ({
        ...pair(row), connections: row.tcpConnections, ...tcpBytes(row),
      })),
      denied: rows.filter((row) => row.denied > 0 && row.reporter === "destination").map((row) => ({
        source: row.source, destination: row.destination, count: row.denied,
      })),
      process: {
        anonymousBytes: anonymousBytes(),
        cpuSeconds: (user + system) / 1e6,
        loopDelayP99Ms: Math.max(0, delayMs),
        tunnels,
      },
    };
  }

  close(): void {
    this.loop.disable();
  }
}

/** Of the connections that ended, and of those that run. */
function tcpBytes({ tcpSentBytes, tcpReceivedBytes, relays }: Series): Bytes {
  let sentBytes = tcpSentBytes;
  let receivedBytes = tcpReceivedBytes;
  for (const relay of relays) {
    sentBytes += relay.sentBytes;
    receivedBytes += relay.receivedBytes;
  }
  return { sentBytes, receivedBytes };
}

const methodOf = (id: number): string => (id === Method.other ? "OTHER" : METHOD_NAMES[id]!);

function activeByService(rows: readonly Series[]): { service: string; count: number }[] {
  const sums = new Map<string, number>();
  for (const row of rows) {
    if (row.reporter !== "destination") continue;
    sums.set(row.destination, (sums.get(row.destination) ?? 0) + row.active);
  }
  return [...sums].map(([service, count]) => ({ service, count })).sort((a, b) => (a.service < b.service ? -1 : 1));
}

/** Private memory: what this process alone costs the host. 0 where the kernel does not tell. */
function anonymousBytes(): number {
  try {
    const found = /^Anonymous:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/smaps_rollup", "latin1"));
    return found === null ? 0 : Number(found[1]) * 1024;
  } catch {
    return 0;
  }
}
