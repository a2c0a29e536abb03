import * as api from "../api-agent.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";

/** `mesh proxy-config [SECTION]`. */
export async function run(context: Context, args: Args): Promise<number> {
  const dump = await api.proxyConfig(context.client(), args.text("section") ?? "all");
  await context.show(dump, () => `${JSON.stringify(dump, null, 2)}\n`);
  return 0;
}
