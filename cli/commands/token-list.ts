import * as api from "../api-access.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { showList } from "../output.ts";

/** `mesh acl token list`. */
export async function run(context: Context, _args: Args): Promise<number> {
  const rows = (await api.tokens(context.client())).map((t) => ({
    accessor: t.AccessorID, roles: t.Roles, description: t.Description, created: t.CreateTime,
    expires: t.ExpirationTime ?? null,
  }));
  await showList(context, rows, {
    empty: "no tokens",
    columns: [
      { header: "ACCESSOR", value: (r) => r.accessor },
      { header: "ROLES", value: (r) => r.roles.join(",") },
      { header: "EXPIRES", value: (r) => r.expires ?? "never" },
      { header: "DESCRIPTION", value: (r) => r.description, shrink: true },
    ],
  });
  return 0;
}
