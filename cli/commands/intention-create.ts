import * as api from "../api.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { intentionSide, shortKey } from "../names.ts";

/** `mesh intention create SRC DST`: says whether it is new, changed or unchanged. */
export async function run(context: Context, args: Args): Promise<number> {
  const source = intentionSide(args.required("source"), context.namespace);
  const destination = intentionSide(args.required("destination"), context.namespace);
  const action = args.flag("deny") === true ? "deny" : "allow";
  const client = context.client();
  const before = await api.intentionExact(client, source, destination);
  const description = args.text("description") ?? before?.Description ?? "";
  const same = before?.Action === action && before.Description === description;
  const result = before === undefined ? "created" : same ? "unchanged" : "changed";
  if (!same) await api.putIntention(client, { source, destination, action, description });
  await context.show({ result, source, destination, action, description }, () =>
    `${result}: ${shortKey(source)} may ${action === "deny" ? "not " : ""}call ${shortKey(destination)}\n`);
  return 0;
}
