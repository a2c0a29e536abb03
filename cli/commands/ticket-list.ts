import * as api from "../api-access.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { showList } from "../output.ts";

/** `mesh acl ticket list`. */
export async function run(context: Context, _args: Args): Promise<number> {
  await showList(context, await api.tickets(context.client()), {
    empty: "no tickets",
    columns: [
      { header: "ID", value: (r) => r.id },
      { header: "STATE", value: (r) => (r.used_by === undefined ? r.state : `${r.state} by ${r.used_by}`) },
      { header: "ROLE", value: (r) => r.role },
      { header: "NODE", value: (r) => r.node ?? "any" },
      { header: "ALLOW", value: (r) => r.allow.join(","), shrink: true },
      { header: "EXPIRES", value: (r) => r.expires },
    ],
  });
  return 0;
}
