import * as api from "../api-access.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";

/** `mesh acl token delete ACCESSOR`. */
export async function run(context: Context, args: Args): Promise<number> {
  const accessor = args.required("accessor");
  await api.deleteToken(context.client(), accessor);
  await context.show({ result: "deleted", accessor }, () => `deleted: ${accessor}\n`);
  return 0;
}
