/** The live view: services and health, who calls whom, a denied call, what to try next. */
import { serviceSummaries, getTopology, type ServiceSummary, type TopologyEdge } from "../../../cli/api.ts";
import { renderTable } from "../../../cli/format/table.ts";
import { formatLatency, formatPercent, formatRate, tcpBytes } from "../../../cli/format/values.ts";
import { shortKey, shortName } from "../../../cli/names.ts";
import { type Style, statusText } from "../../../cli/terminal.ts";
import { get } from "../apps/web.ts";
import type { Tally } from "./traffic.ts";
import type { Mesh } from "./up.ts";

/** How far back rates are taken: short, so that a change shows soon; two reports of the agents. */
const WINDOW_MS = 20_000;

export interface Picture {
  readonly services: readonly ServiceSummary[];
  readonly edges: readonly TopologyEdge[];
  readonly denied: { readonly status: number; readonly body: string };
  readonly tally: Tally;
}

export async function look(mesh: Mesh, tally: Tally): Promise<Picture> {
  const now = Date.now();
  const [services, topology, denied] = await Promise.all([
    serviceSummaries(mesh.client),
    getTopology(mesh.client, { start: now - WINDOW_MS, end: now }),
    deniedCall(mesh),
  ]);
  return { services, edges: topology.edges, denied, tally };
}

/** productpage has an upstream port to ratings and no intention for it. */
export const deniedCall = (mesh: Mesh): Promise<{ status: number; body: string }> =>
  get(mesh.upstreams.get("productpage>ratings")!, "/ratings/0");

export function render(mesh: Mesh, picture: Picture, style: Style): string {
  const { services, edges, denied, tally } = picture;
  const failure = tally.failed > 0 ? style.red(`, last failure ${tally.lastFailure}`) : "";
  const title = (text: string): string => `\n${style.bold(text)}\n`;
  const options = { unicode: style.unicode };
  return [
    title("Services"),
    renderTable([
      { header: "SERVICE", value: (s) => shortName(s.namespace, s.name) },
      { header: "HEALTH", value: (s) => statusText(style, s.status) },
      { header: "PASSING", value: (s) => `${s.passing}/${s.instances}`, align: "right" },
    ], services, options),
    title("Who calls whom (mTLS, by intention)"),
    edges.length === 0
      ? style.dim("the first report of the agents comes within 10 seconds\n")
      : renderTable([
        { header: "SOURCE", value: (e) => shortKey(e.source) },
        { header: "DESTINATION", value: (e) => shortKey(e.destination) },
        { header: "RATE", value: (e) => (e.request_count > 0 ? formatRate(e.request_rate) : "tcp"), align: "right" },
        { header: "ERRORS", value: (e) => share(style, e.error_rate), align: "right" },
        { header: "DENIED", value: (e) => share(style, e.denied_count / Math.max(1, e.request_count)), align: "right" },
        { header: "P50", value: (e) => (e.request_count > 0 ? formatLatency(e.latency_p50) : "-"), align: "right" },
        { header: "P99", value: (e) => (e.request_count > 0 ? formatLatency(e.latency_p99) : "-"), align: "right" },
        { header: "TCP BYTES", value: tcpBytes, align: "right" },
      ], edges, options),
    title("A call that nobody allowed"),
    `productpage to ratings: ${denied.status === 403 ? style.green("403, denied") : style.red(String(denied.status))} `
      + `${style.dim(denied.body.trim().slice(0, 120))}\n`,
    title("Traffic"),
    `${tally.ok} of ${tally.sent} answered 200${failure}; `
      + `reviews ${["v1", "v2", "v3"].map((v) => `${v} ${tally.versions[v] ?? 0}`).join(", ")}\n`,
    nextSteps(mesh, style),
  ].join("");
}

const share = (style: Style, value: number): string =>
  (value > 0 ? style.red(formatPercent(value)) : formatPercent(value));

function nextSteps(mesh: Mesh, style: Style): string {
  const { MESH_HTTP_ADDR: address } = mesh.env;
  return [
    `\n${style.bold("Try, in another terminal")} ${style.dim("(in the project's folder)")}\n`,
    `  ${style.cyan(`export MESH_HTTP_ADDR=${address} MESH_TOKEN_FILE=${mesh.folder}/token PATH=$PWD/bin:$PATH`)}\n`,
    ...[
      ["mesh topology", "the same view"],
      ["mesh intention create productpage ratings", "allow the denied call"],
      ["mesh intention delete productpage reviews", "and watch the page fail, with a reason"],
      ["mesh instances reviews", "where reviews runs"],
      ["mesh proxy-config endpoints", "what host-1's proxy really runs"],
    ].map(([command, does]) => `  ${style.cyan(command!.padEnd(44))}${style.dim(does!)}\n`),
    `\n${style.bold("The page:")} http://127.0.0.1:${mesh.ports.get("productpage")}/productpage   `
      + `${style.dim("Ctrl-C stops everything and removes its data.")}\n`,
  ].join("");
}
