import * as api from "../api-access.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";

/** `mesh acl ticket delete ID`. */
export async function run(context: Context, args: Args): Promise<number> {
  const id = args.required("id");
  await api.deleteTicket(context.client(), id);
  await context.show({ result: "deleted", id }, () => `deleted: ${id}\n`);
  return 0;
}
