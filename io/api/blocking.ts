import { MeshError } from "../../core/base/errors.ts";
import { MINUTE_MS } from "../../core/base/time.ts";
import { parseDuration } from "../../core/model/duration.ts";
import { jsonResponse } from "./render.ts";
import type { ApiRequest, ApiResponse } from "./types.ts";

/*
 * Blocking queries, as Consul's clients know them. A client that has seen index N asks with `?index=N&wait=5m`; the
 * answer comes when the index has passed N, or after the wait (plus up to a sixteenth of it, so that a fleet does not
 * return in one moment). An index from the future means that the state was restored from before it: answered at once,
 * so that the client learns the new count.
 */

const WAIT_MS_DEFAULT = 5 * MINUTE_MS;
const WAIT_MS_MAX = 10 * MINUTE_MS;
/** Each waits with an open socket; beyond this the caller is told to come back. */
const WAITING_MAX = 4_096;

export interface ConsistencyInfo {
  readonly knownLeader: boolean;
  /** Milliseconds since the leader was last heard; 0 on the leader. */
  readonly lastContactMs: number;
}

export interface QuerySource {
  /** The index of what this query reads; grows with every change of it. */
  readonly index: () => number;
  /** Calls back on any change that could raise `index`; returns the way to stop. */
  readonly subscribe: (wake: () => void) => () => void;
  readonly read: () => unknown;
  readonly consistency: () => ConsistencyInfo;
  /** Uniform in [0, 1), for the jitter. */
  readonly random: () => number;
}

let waiting = 0;

/** Answers a list or read request with its index headers, after waiting for a change when the client asked for it. */
export async function answerQuery(req: ApiRequest, source: QuerySource): Promise<ApiResponse> {
  const seen = parseIndex(req.query.get("index"));
  const waitMs = parseWait(req.query.get("wait"));
  if (seen > 0 && source.index() === seen) await waitForChange({ req, source, seen, waitMs });
  const { knownLeader, lastContactMs } = source.consistency();
  return jsonResponse(source.read(), {
    // Never 0: a client that blocks on 0 would spin.
    "x-consul-index": String(Math.max(1, source.index())),
    "x-consul-knownleader": String(knownLeader),
    "x-consul-lastcontact": String(lastContactMs),
  });
}

interface Wait {
  readonly req: ApiRequest;
  readonly source: QuerySource;
  readonly seen: number;
  readonly waitMs: number;
}

async function waitForChange({ req, source, seen, waitMs }: Wait): Promise<void> {
  if (waiting >= WAITING_MAX) throw new MeshError("LIMITED", `${WAITING_MAX} blocking queries are waiting already`);
  waiting++;
  const jitterMs = source.random() * (waitMs / 16);
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stop();
      clearTimeout(timer);
      req.signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, waitMs + jitterMs);
    const stop = source.subscribe(() => {
      if (source.index() !== seen) done();
    });
    req.signal.addEventListener("abort", done);
    if (req.signal.aborted) done();
  });
  waiting--;
}

function parseIndex(text: string | null): number {
  if (text === null || text === "") return 0;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new MeshError("INVALID", `index=${text} is not a whole number`, {
      fix: "send the X-Consul-Index of the last answer",
    });
  }
  return value;
}

/** Go's durations (`10s`, `1m30s`, `500ms`), 10 minutes at most; the default is 5 minutes. */
export function parseWait(text: string | null): number {
  if (text === null || text === "") return WAIT_MS_DEFAULT;
  const waitMs = parseDuration(text);
  if (waitMs === undefined) {
    throw new MeshError("INVALID", `wait=${text} is not a duration`, {
      fix: "write it like 30s, 5m or 1m30s; 10m at most",
    });
  }
  return waitMs === 0 ? WAIT_MS_DEFAULT : Math.min(waitMs, WAIT_MS_MAX);
}
