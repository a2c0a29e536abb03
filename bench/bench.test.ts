import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { parseWrk } from "./load.ts";
import type { LaneResult, Sample } from "./measure.ts";
import { parseOptions } from "./options.ts";
import { paced, summarise } from "./pace.ts";
import { cpuUs, memoryOf } from "./processes.ts";
import { makeReport, toMarkdown } from "./report.ts";
import { median, ratios } from "./statistics.ts";

const WRK = `Running 2s test @ http://127.0.0.1:1/1k
  1 threads and 64 connections
  Latency Distribution
     50%    3.52ms
     75%    4.01ms
     90%  950.00us
     99%    1.02s
  36012 requests in 2.01s, 44.12MB read
  Socket errors: connect 0, read 3, write 0, timeout 1
  Non-2xx or 3xx responses: 7
Requests/sec:  17916.42
`;

test("wrk's report is read with its units, and every kind of failure counts", () => {
  const result = parseWrk(WRK);
  expect(result).toMatchObject({ requests: 36_012, p50: 3.52, p99: 1_020, failed: 11 });
  expect(result.perSecond).toBeCloseTo(36_012 / 2.01);
  expect(() => parseWrk("unable to connect")).toThrow("wrk said");
});

test("medians and ratios", () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  expect(ratios([10, 30], [5, 10])).toEqual([2, 3]);
  expect(median([])).toBeNaN();
});

test("percentiles are those of the sorted list, and none is none", () => {
  const values = Array.from({ length: 1000 }, (_, i) => 1000 - i);
  expect(summarise(values, 2, 10)).toEqual(
    { requests: 1000, perSecond: 100, p50: 501, p99: 991, p999: 1000, failed: 2 });
  expect(summarise([], 1, 1)).toMatchObject({ requests: 0, failed: 1, p50: Number.NaN });
});

test("the paced client asks as often as told and tells failures from answers", async () => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.statusCode = asked % 10 === 0 ? 503 : 200;
    response.end("x".repeat(1000));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const result = await paced({ port, path: "/", connections: 4, perSecond: 200, seconds: 0.5 });
  server.closeAllConnections();
  server.close();
  expect([asked, result.requests, result.failed]).toEqual([100, 90, 10]);
  expect(result.p99).toBeGreaterThan(0);
});

test("a process's own time and memory can be read", () => {
  expect(cpuUs(process.pid)).toBeGreaterThan(0);
  const memory = memoryOf(process.pid);
  expect(memory.anonymousBytes).toBeGreaterThan(1_000_000);
  expect(memory.pssBytes).toBeGreaterThan(1_000_000);
});

test("options: quick is short, a wrong count or an unknown option is an error", () => {
  expect(parseOptions([])).toMatchObject({ rounds: 5, out: "docs", full: false });
  expect(parseOptions(["--quick", "--no-write", "--lanes", "mesh"])).toMatchObject(
    { rounds: 2, out: undefined, lanes: ["mesh"] });
  expect(() => parseOptions(["--rounds", "0"])).toThrow("--rounds takes 1 to 100");
  expect(() => parseOptions(["--fast"])).toThrow("--fast");
});

test("the report judges each bar by the median of its rounds, and counts failures of all lanes", () => {
  const sample = (cpuUsPerRequest: number, p99: number, failed = 0): Sample =>
    ({ cpuUsPerRequest, p99, p50: p99 / 2, p999: p99, failed, requests: 1000, perSecond: 500 });
  const lane = (name: string, cpus: number[], p99: number, failed = 0): LaneResult => ({
    name, title: name, anonymousMb: name === "direct" ? 0 : 30, pssMb: 40, loopDelayP99Ms: undefined,
    samples: { "64×1k": cpus.map((one) => sample(one, 9)), rate: cpus.map((one) => sample(one, p99, failed)) },
  });
  const lanes = [lane("direct", [0, 0, 0], 1), lane("haproxy-h2", [50, 50, 50], 2, 1), lane("mesh", [60, 65, 500], 4)];
  const tools = { versions: ["x 1"], missing: ["y"], wrk: "", nginx: "", haproxy: "", envoy: "" };
  const report = makeReport(lanes, tools, { rounds: 3, loadBefore: 9_999 });
  expect(report.bars.map((bar) => [bar.value, bar.value <= bar.max])).toEqual(
    [[1.3, true], [3, false], [30, true], [3, false]]);
  const text = toMarkdown(report);
  expect(text).toContain("| mesh | 65.0 (60–500) | 1.30 |");
  expect(text).toContain("MISSED: p99 at 1000 requests/s on 16 connections, minus direct: 3.00 ms (bar 2)");
  expect(text).toContain("Missing: y.");
  expect(text).toContain("busy with other work** (load average 9999.0");
  expect(toMarkdown(makeReport(lanes, tools, { rounds: 3, loadBefore: 0 }))).not.toContain("busy");
});
