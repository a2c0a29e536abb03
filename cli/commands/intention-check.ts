import * as api from "../api.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { intentionSide, shortKey } from "../names.ts";

/** `mesh intention check SRC DST`: exit code 0 allowed, 1 denied. */
export async function run(context: Context, args: Args): Promise<number> {
  const source = intentionSide(args.required("source"), context.namespace);
  const destination = intentionSide(args.required("destination"), context.namespace);
  const verdict = await api.checkIntention(context.client(), source, destination);
  const reason = verdict.Reason ?? "";
  const { style } = context;
  await context.show({ allowed: verdict.Allowed, reason, source, destination }, () => {
    const word = verdict.Allowed ? style.green("allowed") : style.red("denied");
    const fix = `  ${style.cyan("fix:")} mesh intention create ${shortKey(source)} ${shortKey(destination)}\n`;
    const why = reason === "" ? "" : `: ${reason}`;
    return `${word}: ${shortKey(source)} to ${shortKey(destination)}${why}\n${verdict.Allowed ? "" : fix}`;
  });
  return verdict.Allowed ? 0 : 1;
}
