import * as api from "../api.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { statusText } from "../terminal.ts";
import { showList } from "../output.ts";
import { shortName } from "../names.ts";

/** `mesh services`. */
export async function run(context: Context, _args: Args): Promise<number> {
  const rows = await api.serviceSummaries(context.client());
  await showList(context, rows, {
    empty: "no services yet: mesh agent register FILE",
    columns: [
      { header: "SERVICE", value: (r) => shortName(r.namespace, r.name), shrink: true },
      { header: "HEALTH", value: (r) => statusText(context.style, r.status) },
      { header: "PASSING", value: (r) => `${r.passing}/${r.instances}`, align: "right" },
      { header: "TAGS", value: (r) => r.tags.join(","), shrink: true },
    ],
  });
  return 0;
}
