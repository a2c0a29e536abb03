import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { usage } from "../errors.ts";

/** `mesh proxy --socket PATH`: what an agent starts. */
export async function run(_context: Context, args: Args): Promise<number> {
  const socket = args.text("socket");
  if (socket === undefined) throw usage("--socket is missing: a proxy speaks to its agent", "mesh agent starts it");
  const { runProxy } = await import("../../proxy/main.ts");
  await runProxy({ socket });
  return 0;
}
