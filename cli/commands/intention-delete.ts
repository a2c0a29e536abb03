import * as api from "../api.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { intentionSide, shortKey } from "../names.ts";

/** `mesh intention delete SRC DST`; deleting what is not there is no failure. */
export async function run(context: Context, args: Args): Promise<number> {
  const source = intentionSide(args.required("source"), context.namespace);
  const destination = intentionSide(args.required("destination"), context.namespace);
  const client = context.client();
  const before = await api.intentionExact(client, source, destination);
  // Asked for even where none is seen: a token that may not read it must not hear that it is gone.
  await api.deleteIntention(client, source, destination);
  const result = before === undefined ? "unchanged" : "deleted";
  await context.show({ result, source, destination }, () => before === undefined
    ? `unchanged: there is no intention from ${shortKey(source)} to ${shortKey(destination)}\n`
    : `deleted: ${before.Action} ${shortKey(source)} to ${shortKey(destination)}\n`);
  return 0;
}
