/** wrk, which keeps connections busy, and its report as numbers. */
import { spawn } from "node:child_process";

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
