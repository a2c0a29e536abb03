/** The load generators' output as numbers. wrk keeps connections busy; h2load holds a rate and logs every request. */
import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

export interface LoadResult {
  readonly requests: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number | undefined;
  /** Answers outside 2xx, and requests without one. */
  readonly failed: number;
}

export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** A connection for every request. */
  readonly churn?: boolean;
}

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000 };

/** As fast as the connections allow. */
export async function saturate(wrk: string, options: LoadOptions): Promise<LoadResult> {
  const { url, connections, seconds } = options;
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--latency"];
  if (options.churn === true) args.push("-H", "Connection: close");
  return parseWrk(await run(wrk, [...args, url], seconds));
}

/** Reads wrk's report. Throws when it is not one. */
export function parseWrk(text: string): LoadResult {
  const total = /(\d+) requests in ([\d.]+)(\w+),/.exec(text);
  const percentile = (share: string): number => {
    const found = new RegExp(`^\\s+${share}%\\s+([\\d.]+)(us|ms|s|m)$`, "m").exec(text);
    return found === null ? Number.NaN : Number(found[1]) * UNIT_MS[found[2]!]!;
  };
  if (total === null) throw new Error(`wrk said: ${text}`);
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? "0");
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const broken = errors === null ? 0 : errors.slice(1).reduce((sum, one) => sum + Number(one), 0);
  const requests = Number(total[1]);
  const elapsedMs = Number(total[2]) * UNIT_MS[total[3]!]!;
  return {
    requests, perSecond: (requests * 1_000) / elapsedMs, p50: percentile("50"), p99: percentile("99"), p999: undefined,
    failed: refused + broken,
  };
}

/** `perSecond` requests in all, evenly over the connections; latency of every one of them. */
export async function fixedRate(h2load: string, options: LoadOptions, perSecond: number): Promise<LoadResult> {
  const log = join("/tmp", `mesh-bench-${process.pid}.log`);
  const { url, connections, seconds } = options;
  // Connections are opened, and tunnels behind them, before the clock counts.
  const args = ["--h1", "-t1", `-c${connections}`, `-D${seconds}`, "--warm-up-time=1",
    `--rps=${perSecond / connections}`, `--log-file=${log}`, url];
  try {
    await run(h2load, args, seconds + 1);
    return parseH2load(readFileSync(log, "latin1"), seconds);
  } finally {
    rmSync(log, { force: true });
  }
}

/**
 * Reads h2load's log: start (µs), status, duration (µs) a line. It misses the status of a line without reason phrase,
 * which HAProxy writes after HTTP/2, and then logs 0 or less: wrk, over the same lane, is the judge of failures there.
 */
export function parseH2load(log: string, seconds: number): LoadResult {
  const times: number[] = [];
  let failed = 0;
  for (const line of log.split("\n")) {
    const [, status, duration] = line.split("\t");
    if (status === undefined || duration === undefined) continue;
    if (Number(status) >= 300) failed++;
    else times.push(Number(duration) / 1_000);
  }
  times.sort((a, b) => a - b);
  const last = times.length - 1;
  const at = (share: number): number => times[Math.min(last, Math.floor(share * times.length))] ?? Number.NaN;
  return {
    requests: times.length, perSecond: times.length / seconds, p50: at(0.5), p99: at(0.99), p999: at(0.999), failed,
  };
}

function run(command: string, args: readonly string[], seconds: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], timeout: seconds * 1_000 + 15_000 });
    let output = "";
    child.stdout.on("data", (data: Buffer) => void (output += data.toString()));
    child.stderr.on("data", (data: Buffer) => void (output += data.toString()));
    child.once("error", reject);
    child.once("exit", (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ${args.join(" ")} ended with ${code}: ${output}`));
    });
  });
}
