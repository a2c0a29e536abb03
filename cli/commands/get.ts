import * as api from "../api-access.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { showList } from "../output.ts";
import { shortName } from "../names.ts";
import { parseResource } from "./documents.ts";

/** `mesh get [KIND[/NAME]]`. */
export async function run(context: Context, args: Args): Promise<number> {
  const text = args.text("resource");
  const { kind, service } = text === undefined ? {} : parseResource(text, context.namespace);
  const client = context.client();
  const found = kind !== undefined && service !== undefined
    ? [await api.document(client, kind, service)]
    : await api.documents(client, kind);
  if (context.format === "yaml") {
    const { stringify } = await import("yaml");
    context.io.stdout.write(found.map((d) => stringify(d)).join("---\n"));
    return 0;
  }
  if (context.format === "json" && service !== undefined) {
    await context.show(found[0], () => "");
    return 0;
  }
  await showList(context, found, {
    empty: "no documents: mesh apply -f FILE",
    columns: [
      { header: "KIND", value: (d) => d.kind },
      { header: "NAME", value: (d) => shortName(d.metadata.namespace, d.metadata.name) },
      { header: "SPEC", value: (d) => JSON.stringify(d.spec), shrink: true },
    ],
  });
  return 0;
}
