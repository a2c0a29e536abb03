import * as api from "../api-access.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";

/** `mesh acl node allow NODE NS/SERVICE…`: adds to what the host may be. */
export async function run(context: Context, args: Args): Promise<number> {
  const changed = await api.allowNode(context.client(), args.required("node"), args.list("service"));
  await context.show(changed, () => `${changed.node} may be: ${changed.allow.join(", ")}\n`);
  return 0;
}
