import { parseResources } from "../../core/model/resource.ts";
import * as api from "../api-access.ts";
import type { Args } from "../args.ts";
import { type Context, readInput } from "../context.ts";
import { usage } from "../errors.ts";
import { sayApplied } from "./documents.ts";

/** `mesh apply -f FILE…`: every file is checked here first, so that a mistake has its exact place. */
export async function run(context: Context, args: Args): Promise<number> {
  const files = args.list("file");
  if (files.length === 0) throw usage("-f is missing: which file to apply", "mesh apply -f FILE");
  const texts: string[] = [];
  for (const file of files) {
    const text = await readInput(context, file);
    parseResources(text, { file: file === "-" ? "stdin" : file, namespace: context.namespace });
    texts.push(text.trim());
  }
  const { applied, warnings } = await api.applyDocuments(context.client(), joinDocuments(texts), context.namespace);
  for (const warning of warnings) context.say(`warning: ${warning}`);
  await context.show(applied, () => applied.map((a) => `applied: ${sayApplied(a)}\n`).join(""));
  return 0;
}

/** One text for one request, so that all files are applied or none. */
function joinDocuments(texts: readonly string[]): string {
  return texts.map((text) => text.replace(/^---\n/, "")).join("\n---\n");
}
