import * as api from "../api-agent.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";

/** `mesh agent deregister ID…`; an id that is not there is no failure. */
export async function run(context: Context, args: Args): Promise<number> {
  const client = context.client();
  const known = await api.localServices(client);
  const results: { id: string; result: string }[] = [];
  for (const id of args.list("id")) {
    const there = Object.hasOwn(known, id);
    if (there) await api.deregisterService(client, id);
    results.push({ id, result: there ? "deregistered" : "unchanged" });
  }
  await context.show(results, () => results.map(({ id, result }) =>
    (result === "unchanged" ? `unchanged: no service here has the id ${id}\n` : `deregistered: ${id}\n`)).join(""));
  return 0;
}
