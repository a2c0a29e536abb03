import * as api from "../api.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { shortName } from "../names.ts";
import { showList } from "../output.ts";

/** `mesh intention list`. */
export async function run(context: Context, _args: Args): Promise<number> {
  await showIntentions(context, await api.intentions(context.client()));
  return 0;
}

export async function showIntentions(context: Context, found: readonly api.IntentionEntry[]): Promise<void> {
  const rows = [...found].sort((a, b) => b.Precedence - a.Precedence);
  const action = (a: string): string => (a === "allow" ? context.style.green(a) : context.style.red(a));
  await showList(context, rows, {
    empty: "no intentions: nothing may call anything. mesh intention create SOURCE DESTINATION",
    columns: [
      { header: "SOURCE", value: (r) => shortName(r.SourceNS, r.SourceName) },
      { header: "ACTION", value: (r) => action(r.Action) },
      { header: "DESTINATION", value: (r) => shortName(r.DestinationNS, r.DestinationName) },
      { header: "PRECEDENCE", value: (r) => String(r.Precedence), align: "right" },
      { header: "DESCRIPTION", value: (r) => r.Description, shrink: true },
    ],
  });
}
