import * as api from "../api-agent.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";

/** `mesh agent maint enable|disable ID`. */
export async function run(context: Context, args: Args): Promise<number> {
  const enable = args.required("action") === "enable";
  const id = args.required("id");
  await api.setMaintenance(context.client(), { id, enable, reason: args.text("reason") });
  await context.show({ maintenance: enable, id }, () => enable
    ? `in maintenance: ${id} gets no new requests\n`
    : `no longer in maintenance: ${id}\n`);
  return 0;
}
