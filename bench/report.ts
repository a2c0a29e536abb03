/** Figures as a table for people and as JSON, and what they say about the bars. */
import { readFileSync } from "node:fs";
import { cpus, release } from "node:os";
import type { LaneResult } from "./measure.ts";
import { differences, median, ratios } from "./statistics.ts";
import type { Tools } from "./tools.ts";

export interface Bar {
  readonly what: string;
  readonly value: number;
  readonly max: number;
  readonly unit: string;
}

export interface Report {
  readonly measuredAt: string;
  readonly machine: string;
  /** Load average before the start, where other work ran on the machine. */
  readonly busyWith: number | undefined;
  readonly versions: readonly string[];
  readonly missing: readonly string[];
  readonly rounds: number;
  readonly lanes: readonly LaneResult[];
  readonly bars: readonly Bar[];
}

const MAIN = "64×1k";

export interface Conditions {
  readonly rounds: number;
  /** Load average of the last minute before anything was started. */
  readonly loadBefore: number;
}

export function makeReport(lanes: readonly LaneResult[], tools: Tools, conditions: Conditions): Report {
  const model = /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "latin1"))?.[1] ?? cpus()[0]?.model ?? "?";
  const { rounds, loadBefore } = conditions;
  const busy = loadBefore > cpus().length / 4;
  return {
    measuredAt: new Date().toISOString(),
    machine: `${cpus().length} × ${model}, Linux ${release()}`,
    busyWith: busy ? loadBefore : undefined,
    versions: [`Node ${process.version}`, ...tools.versions],
    missing: tools.missing, rounds, lanes, bars: bars(lanes),
  };
}

type Figure = "cpuUsPerRequest" | "p50" | "p99" | "perSecond";

const of = (lane: LaneResult | undefined, key: string, field: Figure): number[] =>
  (lane?.samples[key] ?? []).map((sample) => sample[field]);

function bars(lanes: readonly LaneResult[]): Bar[] {
  const lane = (name: string): LaneResult | undefined => lanes.find((one) => one.name === name);
  const ours = lane("mesh");
  if (ours === undefined) return [];
  const cpu = (name: string): number =>
    median(ratios(of(ours, MAIN, "cpuUsPerRequest"), of(lane(name), MAIN, "cpuUsPerRequest")));
  const all: Bar[] = [
    { what: "CPU per request ÷ HAProxy HTTP/2 pair, 64 connections", value: cpu("haproxy-h2"), max: 1.3, unit: "×" },
    { what: "CPU per request ÷ HAProxy HTTP/1.1 pair, 64 connections", value: cpu("haproxy-h1"), max: 1, unit: "×" },
    { what: "p99 at 1000 requests/s on 16 connections, minus direct", unit: "ms", max: 2,
      value: median(differences(of(ours, "rate", "p99"), of(lane("direct"), "rate", "p99"))) },
    { what: "private memory of the larger proxy after the run", value: ours.anonymousMb, max: 35, unit: "MB" },
    { what: "answers other than 2xx, all lanes", value: failures(lanes), max: 0, unit: "" },
  ];
  return all.filter((bar) => !Number.isNaN(bar.value));
}

const failures = (lanes: readonly LaneResult[]): number =>
  lanes.flatMap((lane) => Object.values(lane.samples).flat()).reduce((sum, sample) => sum + sample.failed, 0);

const number = (value: number, digits: number): string => (Number.isNaN(value) ? "–" : value.toFixed(digits));

/** Markdown: conditions, the main table, further scenarios, bars. */
export function toMarkdown(report: Report): string {
  const direct = report.lanes.find((lane) => lane.name === "direct");
  const reference = report.lanes.find((lane) => lane.name === "haproxy-h2");
  const rows = report.lanes.map((lane) => {
    const cpu = of(lane, MAIN, "cpuUsPerRequest");
    const range = cpu.length > 1 ? ` (${number(Math.min(...cpu), 0)}–${number(Math.max(...cpu), 0)})` : "";
    const proxied = lane.anonymousMb > 0;
    const ratio = median(ratios(cpu, of(reference, MAIN, "cpuUsPerRequest")));
    const added = (field: "p50" | "p99"): string =>
      number(median(differences(of(lane, "rate", field), of(direct, "rate", field))), 2);
    return [
      lane.title, proxied ? `${number(median(cpu), 1)}${range}` : "–", proxied ? number(ratio, 2) : "–",
      number(median(of(lane, MAIN, "perSecond")), 0), number(median(of(lane, MAIN, "p99")), 1),
      proxied ? number(median(of(lane, "1×1k", "cpuUsPerRequest")), 0) : "–",
      proxied ? added("p50") : `${number(median(of(lane, "rate", "p50")), 2)} itself`,
      proxied ? added("p99") : `${number(median(of(lane, "rate", "p99")), 2)} itself`,
      proxied ? number(lane.anonymousMb, 1) : "–", proxied ? number(lane.pssMb, 1) : "–",
    ];
  });
  const header = ["lane", "CPU µs/request, 64 conn.", "÷ HAProxy h2", "requests/s", "p99 ms, saturated",
    "CPU µs/request, 1 conn.", "+p50 ms at 1000/s", "+p99 ms at 1000/s", "private MB", "PSS MB"];
  return [
    `Measured ${report.measuredAt}, ${report.rounds} interleaved rounds. ${report.machine}.`,
    report.versions.join("; ") + ".",
    ...(report.busyWith === undefined ? [] : [`**The machine was busy with other work** (load average `
      + `${report.busyWith.toFixed(1)} before the start): CPU per request holds roughly, latencies mean little.`]),
    ...report.missing.map((line) => `Missing: ${line}.`), "",
    table(header, rows), ...further(report), "",
    ...report.bars.map((bar) => `* ${bar.value <= bar.max ? "holds" : "MISSED"}: ${bar.what}: `
      + `${number(bar.value, bar.unit === "" ? 0 : 2)}${bar.unit === "" ? "" : ` ${bar.unit}`} (bar ${bar.max})`), "",
  ].join("\n");
}

/** CPU per request in the scenarios of `--full`. */
function further(report: Report): string[] {
  const keys = Object.keys(report.lanes[0]?.samples ?? {}).filter((key) => ![MAIN, "1×1k", "rate"].includes(key));
  if (keys.length === 0) return [];
  const rows = report.lanes.filter((lane) => lane.anonymousMb > 0).map((lane) =>
    [lane.title, ...keys.map((key) => number(median(of(lane, key, "cpuUsPerRequest")), 1))]);
  return ["", "CPU µs per request in other scenarios (connections×body):", "", table(["lane", ...keys], rows)];
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map((_, index) => (index === 0 ? "---" : "--:"))), ...rows.map(line)].join("\n");
}
