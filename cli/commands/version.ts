import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";

const PACKAGE = resolve(import.meta.dirname, "../../package.json");

/** `mesh version`. */
export async function run(context: Context, _args: Args): Promise<number> {
  const { version } = JSON.parse(readFileSync(PACKAGE, "utf8")) as { version: string };
  const platform = `${process.platform}-${process.arch}`;
  const data = { version, node: process.versions.node, platform };
  await context.show(data, () => `mesh ${data.version} (Node ${data.node}, ${data.platform})\n`);
  return 0;
}
