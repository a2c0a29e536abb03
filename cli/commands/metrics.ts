import { parseServiceName } from "../../core/model/names.ts";
import * as api from "../api.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { formatLatency, formatPercent } from "../format/values.ts";
import { renderPairs } from "../output.ts";
import { spanOf } from "../since.ts";

/** `mesh metrics SERVICE`. */
export async function run(context: Context, args: Args): Promise<number> {
  const service = parseServiceName(args.required("service"), context.namespace);
  const wanted = args.list("metrics").join(",");
  const found = await api.getMetrics(context.client(), service, {
    ...spanOf(args), ...(wanted === "" ? {} : { metrics: wanted }),
  });
  const pairs = Object.entries(found.metrics).map(([name, value]) => [name, formatMetric(name, value)] as const);
  await context.show(found, () => renderPairs(pairs, context.style));
  return 0;
}

function formatMetric(name: string, value: number | null): string {
  if (value === null || name.startsWith("latency_")) return formatLatency(value);
  if (name === "error_rate") return formatPercent(value);
  return String(Number(value.toFixed(3)));
}
