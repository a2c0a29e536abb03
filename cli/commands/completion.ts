import type { Args } from "../args.ts";
import { COMPLETION_SCRIPTS } from "../completion-scripts.ts";
import type { Context } from "../context.ts";

/** `mesh completion bash|zsh|fish`: the script on stdout. */
export async function run(context: Context, args: Args): Promise<number> {
  context.io.stdout.write(COMPLETION_SCRIPTS[args.required("shell")]!);
  return 0;
}
