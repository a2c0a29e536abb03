import { serviceKey } from "../../core/model/names.ts";
import { parseResources } from "../../core/model/resource.ts";
import * as api from "../api-access.ts";
import { deleteIntention } from "../api.ts";
import type { Args } from "../args.ts";
import { type Context, readInput } from "../context.ts";
import { usage } from "../errors.ts";
import { parseResource, sayApplied } from "./documents.ts";

/** `mesh delete KIND/NAME`, or all documents of files. */
export async function run(context: Context, args: Args): Promise<number> {
  const files = args.list("file");
  const text = args.text("resource");
  if ((text === undefined) === (files.length === 0)) {
    throw usage("name one document, or files with -f", "mesh delete ServiceDefaults/web");
  }
  const deleted = text === undefined ? await deleteFiles(context, files) : [await deleteOne(context, text)];
  await context.show(deleted, () => deleted.map((d) => `deleted: ${sayApplied(d)}\n`).join(""));
  return 0;
}

async function deleteOne(context: Context, text: string): Promise<api.AppliedResource> {
  const { kind, service } = parseResource(text, context.namespace);
  if (service === undefined) throw usage(`"${text}" names no document`, `mesh delete ${kind}/NAME`);
  const client = context.client();
  // A name that is not there is a mistake worth an answer.
  await api.document(client, kind, service);
  await api.deleteDocument(client, kind, service);
  return { kind, ...service };
}

async function deleteFiles(context: Context, files: readonly string[]): Promise<api.AppliedResource[]> {
  const client = context.client();
  const parsed = [];
  for (const file of files) {
    parsed.push(parseResources(await readInput(context, file), { file, namespace: context.namespace }));
  }
  const deleted: api.AppliedResource[] = [];
  for (const { kind, namespace, name } of parsed.flatMap((p) => p.resources)) {
    await api.deleteDocument(client, kind, { namespace, name });
    deleted.push({ kind, namespace, name });
  }
  for (const { source, destination } of parsed.flatMap((p) => p.intentions)) {
    await deleteIntention(client, serviceKey(source), serviceKey(destination));
    deleted.push({ kind: "Intention", source, destination });
  }
  return deleted;
}
