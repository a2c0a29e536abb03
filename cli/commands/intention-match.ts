import { parseServiceName } from "../../core/model/names.ts";
import * as api from "../api.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { showIntentions } from "./intention-list.ts";

/** `mesh intention match SERVICE`. */
export async function run(context: Context, args: Args): Promise<number> {
  const service = parseServiceName(args.required("service"), context.namespace);
  await showIntentions(context, await api.matchIntentions(context.client(), args.text("by") ?? "destination", service));
  return 0;
}
