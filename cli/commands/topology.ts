import * as api from "../api.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { formatLatency, formatPercent, formatRate, tcpBytes } from "../format/values.ts";
import { shortKey } from "../names.ts";
import { showList } from "../output.ts";
import { spanOf } from "../since.ts";

/** `mesh topology`: one line for each pair that spoke. JSON and YAML carry the services too. */
export async function run(context: Context, args: Args): Promise<number> {
  const topology = await api.getTopology(context.client(), spanOf(args));
  if (context.format !== "table") {
    await context.show(topology, () => "");
    return 0;
  }
  const { style } = context;
  const http = (edge: api.TopologyEdge, text: string): string => (edge.request_count > 0 ? text : "-");
  const share = (edge: api.TopologyEdge, value: number): string => {
    const text = formatPercent(value);
    return http(edge, value > 0 ? style.red(text) : text);
  };
  await showList(context, topology.edges, {
    empty: "no traffic in this time (agents report every 10 seconds)",
    columns: [
      { header: "SOURCE", value: (e) => shortKey(e.source) },
      { header: "DESTINATION", value: (e) => shortKey(e.destination) },
      { header: "RATE", value: (e) => http(e, formatRate(e.request_rate)), align: "right" },
      { header: "ERRORS", value: (e) => share(e, e.error_rate), align: "right" },
      { header: "DENIED", value: (e) => share(e, e.denied_count / Math.max(1, e.request_count)), align: "right" },
      { header: "P50", value: (e) => http(e, formatLatency(e.latency_p50)), align: "right" },
      { header: "P99", value: (e) => http(e, formatLatency(e.latency_p99)), align: "right" },
      { header: "TCP", value: (e) => (e.tcp_connections > 0 ? String(e.tcp_connections) : "-"), align: "right" },
      { header: "TCP BYTES", value: tcpBytes, align: "right" },
    ],
  });
  return 0;
}
