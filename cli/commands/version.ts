import packageJson from "../../package.json" with { type: "json" };
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";

/** `mesh version`. */
export async function run(context: Context, _args: Args): Promise<number> {
  const platform = `${process.platform}-${process.arch}`;
  const data = { version: packageJson.version, node: process.versions.node, platform };
  await context.show(data, () => `mesh ${data.version} (Node ${data.node}, ${data.platform})\n`);
  return 0;
}
