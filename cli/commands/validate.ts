import type { MeshError } from "../../core/base/errors.ts";
import { parseResources } from "../../core/model/resource.ts";
import { parseServiceDefinitions } from "../../core/model/service-parse.ts";
import type { Args } from "../args.ts";
import { type Context, readInput } from "../context.ts";
import { asMeshError, joinErrors, usage } from "../errors.ts";
import { plural } from "../format/values.ts";

interface Checked {
  readonly file: string;
  readonly what: string;
  readonly warnings: readonly string[];
}

/** `mesh validate`: asks nobody; all mistakes of all files at once. */
export async function run(context: Context, args: Args): Promise<number> {
  const files = [...args.list("file"), ...args.list("path")];
  if (files.length === 0) throw usage("which files?", "mesh validate -f FILE");
  const checked: Checked[] = [];
  const failed: MeshError[] = [];
  for (const file of files) {
    try {
      checked.push(checkText(file === "-" ? "stdin" : file, await readInput(context, file), context.namespace));
    } catch (error) {
      failed.push(asMeshError(error));
    }
  }
  for (const warning of checked.flatMap((c) => c.warnings)) context.say(`warning: ${warning}`);
  if (failed.length > 0) throw joinErrors(failed);
  await context.show(checked, () => checked.map((c) => `valid: ${c.file} (${c.what})\n`).join(""));
  return 0;
}

/** A text with `apiVersion` or `kind` at its start of a line holds documents, any other service definitions. */
function checkText(file: string, text: string, namespace: string): Checked {
  if (/^\s*(?:- |[{[]\s*)*["']?(?:apiVersion|kind)["']?\s*:/m.test(text)) {
    const { resources, intentions, warnings } = parseResources(text, { file, namespace });
    return { file, what: plural(resources.length + intentions.length, "document"), warnings };
  }
  const { services, warnings } = parseServiceDefinitions(text, { file, namespace });
  return { file, what: plural(services.length, "service"), warnings };
}
