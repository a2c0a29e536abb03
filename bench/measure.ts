/**
 * Rounds of measurements, lanes interleaved: what disturbs the machine for a while disturbs all of them. Every
 * measurement is preceded by a short one that is thrown away, so that connection set-up is not counted.
 */
import type { Lane } from "./lanes/lane.ts";
import { saturate } from "./load.ts";
import type { LoadResult } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { paced } from "./pace.ts";
import { cpuUs, memoryOf } from "./processes.ts";
import type { Tools } from "./tools.ts";

export interface Scenario {
  /** `64×1k`: connections and body; `rate` and `churn` are what they say. */
  readonly key: string;
  readonly connections: number;
  readonly path: string;
  readonly seconds: number;
  /** Requests a second in all; undefined: as many as go. */
  readonly perSecond?: number;
  readonly churn?: boolean;
}

export interface Sample extends LoadResult {
  /** User and system time of all proxies of the lane for one request, microseconds. */
  readonly cpuUsPerRequest: number;
}

export interface LaneResult {
  readonly name: string;
  readonly title: string;
  /** By scenario, one sample a round. */
  readonly samples: Record<string, Sample[]>;
  /** Of the largest proxy of the lane, after the run, MiB. */
  anonymousMb: number;
  pssMb: number;
  loopDelayP99Ms: number | undefined;
}

export function scenarios(options: BenchOptions): Scenario[] {
  const { seconds } = options;
  const list: Scenario[] = [
    { key: "64×1k", connections: 64, path: "/1k", seconds: seconds.many },
    { key: "1×1k", connections: 1, path: "/1k", seconds: seconds.one },
    { key: "rate", connections: 16, path: "/1k", seconds: seconds.fixed, perSecond: 1_000 },
  ];
  if (!options.full) return list;
  for (const connections of [4, 32, 128]) {
    list.push({ key: `${connections}×1k`, connections, path: "/1k", seconds: seconds.one });
  }
  list.push({ key: "64×0", connections: 64, path: "/0", seconds: seconds.one });
  list.push({ key: "64×64k", connections: 64, path: "/64k", seconds: seconds.one });
  list.push({ key: "churn", connections: 16, path: "/1k", seconds: seconds.one, churn: true });
  return list;
}

/** Runs everything; `progress` gets a line per measurement. */
export async function measure(
  lanes: readonly Lane[], tools: Tools, options: BenchOptions, progress: (line: string) => void,
): Promise<LaneResult[]> {
  const results: LaneResult[] = lanes.map(({ name, title }) =>
    ({ name, title, samples: {}, anonymousMb: 0, pssMb: 0, loopDelayP99Ms: undefined }));
  // Proxies live long: nobody is measured before his code is compiled and his pools are filled.
  const warm = { connections: 64, seconds: WARM_SECONDS };
  for (const lane of lanes) await saturate(tools.wrk, { ...target(lane, "/1k"), ...warm });
  for (let round = 0; round < options.rounds; round++) {
    for (const scenario of scenarios(options)) {
      for (const [index, lane] of lanes.entries()) {
        const sample = await once(lane, tools, scenario);
        (results[index]!.samples[scenario.key] ??= []).push(sample);
        const { cpuUsPerRequest, perSecond, p99, failed } = sample;
        progress(`round ${round + 1} ${scenario.key.padEnd(6)} ${lane.name.padEnd(14)} `
          + `${cpuUsPerRequest.toFixed(1)} µs/request ${perSecond.toFixed(0)}/s p99 ${p99.toFixed(2)} ms`
          + (failed > 0 ? ` FAILED ${failed}` : ""));
      }
    }
  }
  for (const [index, lane] of lanes.entries()) await weigh(lane, results[index]!);
  return results;
}

const WARM_SECONDS = 3;

const target = (lane: Lane, path: string): { url: string } => ({ url: `http://127.0.0.1:${lane.port}${path}` });

async function once(lane: Lane, tools: Tools, scenario: Scenario): Promise<Sample> {
  const { connections, path, seconds, churn, perSecond } = scenario;
  const load = { ...target(lane, path), connections, seconds, ...(churn === true && { churn }) };
  // wrk counts whole seconds only.
  await saturate(tools.wrk, { ...load, seconds: 1 });
  const before = lane.pids.map(cpuUs);
  const result = perSecond === undefined
    ? await saturate(tools.wrk, load)
    : await paced({ port: lane.port, path, connections, seconds, perSecond });
  const spent = lane.pids.reduce((sum, pid, index) => sum + cpuUs(pid) - before[index]!, 0);
  return { ...result, cpuUsPerRequest: spent / Math.max(1, result.requests) };
}

async function weigh(lane: Lane, result: LaneResult): Promise<void> {
  for (const pid of lane.pids) {
    const memory = memoryOf(pid);
    result.anonymousMb = Math.max(result.anonymousMb, memory.anonymousBytes / 2 ** 20);
    result.pssMb = Math.max(result.pssMb, memory.pssBytes / 2 ** 20);
  }
  result.loopDelayP99Ms = await lane.loopDelayP99Ms?.();
}
