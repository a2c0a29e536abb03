import * as api from "../api-agent.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";

/** `mesh agent reload`. */
export async function run(context: Context, _args: Args): Promise<number> {
  const answer = await api.reloadAgent(context.client());
  for (const warning of answer.warnings) context.say(`warning: ${warning}`);
  await context.show(answer, () => "reloaded\n");
  return 0;
}
