import * as api from "../api-agent.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { clean } from "../format/table.ts";
import { plural } from "../format/values.ts";

/** `mesh agent reload`; exit code 1 when the servers refuse something that was loaded. */
export async function run(context: Context, _args: Args): Promise<number> {
  const answer = await api.reloadAgent(context.client());
  const { services, refusals } = answer;
  const names = services.length > 0 ? `: ${services.join(", ")}` : "";
  context.say(`loaded ${plural(services.length, "definition")}${names}`);
  for (const warning of answer.warnings) context.say(`warning: ${warning}`);
  for (const { id, message, fix } of refusals) context.say(`refused: ${id}: ${clean(message)}\n  fix: ${clean(fix)}`);
  if (!answer.synced) context.say("the servers have not answered yet: mesh agent services shows what they refuse");
  await context.show(answer, () => (refusals.length === 0 ? "reloaded\n" : ""));
  return refusals.length === 0 ? 0 : 1;
}
