/**
 * `npm run bench`: our pair of proxies beside HAProxy's and Envoy's, same certificates, same backend, one thread each,
 * loopback only. Prints a table, writes docs/benchmarks.md and docs/benchmarks.json. Ends everything it started.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { makeCertificates } from "./certificates.ts";
import { startEnvoy } from "./lanes/envoy.ts";
import { startHaproxy } from "./lanes/haproxy.ts";
import type { Lane, LaneContext } from "./lanes/lane.ts";
import { startMesh } from "./lanes/mesh.ts";
import { startBackend } from "./lanes/nginx.ts";
import { measure } from "./measure.ts";
import { parseOptions } from "./options.ts";
import type { BenchOptions } from "./options.ts";
import { Processes } from "./processes.ts";
import { makeReport, toMarkdown } from "./report.ts";
import { findTools } from "./tools.ts";

const ROOT = resolve(import.meta.dirname, "..");
const CACHE = join(ROOT, "node_modules/.cache/mesh-bench");
const FROM = "<!-- figures: written by npm run bench -->";
const TO = "<!-- end of figures -->";

const LANES: Readonly<Record<string, (context: LaneContext) => Promise<Lane> | undefined>> = {
  direct: (context) => Promise.resolve({ name: "direct", title: "direct", port: context.backendPort, pids: [] }),
  "haproxy-h1": (context) => (context.tools.haproxy === undefined ? undefined : startHaproxy(context, "h1")),
  "haproxy-h2": (context) => (context.tools.haproxy === undefined ? undefined : startHaproxy(context, "h2")),
  envoy: (context) => (context.tools.envoy === undefined ? undefined : startEnvoy(context)),
  mesh: (context) => startMesh(context, 2),
  "mesh-one-host": (context) => startMesh(context, 1),
};

async function startLanes(context: LaneContext, wanted: readonly string[]): Promise<Lane[]> {
  const unknown = wanted.find((name) => !(name in LANES));
  if (unknown !== undefined) throw new Error(`no lane "${unknown}"; there are ${Object.keys(LANES).join(", ")}`);
  const lanes: Lane[] = [];
  for (const [name, start] of Object.entries(LANES)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const lane = await start(context);
    if (lane !== undefined) lanes.push(lane);
  }
  return lanes;
}

/** Puts the figures between the markers of the document; what people wrote around them stays. */
function writeDocument(markdown: string, json: unknown, folder: string): void {
  const path = join(ROOT, folder, "benchmarks.md");
  const text = readFileSync(path, "utf8");
  const [from, to] = [text.indexOf(FROM), text.indexOf(TO)];
  if (from < 0 || to < from) throw new Error(`${path} has lost its markers "${FROM}" and "${TO}"`);
  writeFileSync(path, `${text.slice(0, from + FROM.length)}\n\n${markdown}\n${text.slice(to)}`);
  writeFileSync(join(ROOT, folder, "benchmarks.json"), `${JSON.stringify(json, undefined, 1)}\n`);
}

async function bench(options: BenchOptions): Promise<void> {
  const loadBefore = loadavg()[0]!;
  const processes = new Processes();
  const folder = mkdtempSync(join(tmpdir(), "mesh-bench-"));
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());
  const interrupted = new Promise<never>((_, reject) => {
    interrupt.signal.addEventListener("abort", () => reject(new Error("interrupted")));
  });
  try {
    const tools = findTools(CACHE);
    const work = async (): Promise<void> => {
      const backendPort = await startBackend(processes, tools.nginx, folder);
      const certificates = makeCertificates(join(folder, "certificates"));
      const context = { processes, tools, certificates, folder, backendPort, proxyFlags: options.proxyFlags };
      const lanes = await startLanes(context, options.lanes);
      const results = await measure(lanes, tools, options, (line) => console.error(line));
      const report = makeReport(results, tools, { rounds: options.rounds, loadBefore });
      const markdown = toMarkdown(report);
      console.log(markdown);
      if (options.out !== undefined) writeDocument(markdown, report, options.out);
      if (report.bars.some((bar) => bar.value > bar.max)) console.error("a bar was missed");
    };
    await Promise.race([work(), interrupted]);
  } finally {
    await processes.stopAll();
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  await bench(parseOptions(process.argv.slice(2)));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
