/** Cumulative counters of one proxy since it started. */
export interface ProxyStats {
  readonly startedAtMs: number;
  readonly requests: readonly RequestCount[];
  readonly durations: readonly DurationHistogram[];
  /** Open client connections and streams by `ns/name`, inbound side. */
  readonly active: readonly { readonly service: string; readonly count: number }[];
  readonly tcp: readonly TcpCount[];
  /** Refusals by intention, destination side. */
  readonly denied: readonly { readonly source: string; readonly destination: string; readonly count: number }[];
  readonly process: {
    readonly anonymousBytes: number;
    readonly cpuSeconds: number;
    readonly loopDelayP99Ms: number;
    readonly tunnels: number;
  };
}

export type Reporter = "source" | "destination";

export interface RequestCount {
  readonly reporter: Reporter;
  /** `ns/name`. */
  readonly source: string;
  readonly destination: string;
  readonly method: string;
  /** HTTP status; 0 when the client went away before one was known. */
  readonly code: number;
  readonly count: number;
}

export interface DurationHistogram {
  readonly reporter: Reporter;
  readonly source: string;
  readonly destination: string;
  /** Pairs of bucket number (core/telemetry/histogram.ts) and count, ascending, zeros left out. */
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
  readonly count: number;
  readonly sumMs: number;
}

export interface TcpCount {
  readonly reporter: Reporter;
  readonly source: string;
  readonly destination: string;
  readonly connections: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** What an agent sends to the servers every ten seconds: the difference to its last report. */
export interface TelemetryReport {
  readonly node: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly requests: readonly RequestCount[];
  readonly durations: readonly DurationHistogram[];
  readonly tcp: readonly TcpCount[];
}
