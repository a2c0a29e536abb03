import * as api from "../api.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { shortKey } from "../names.ts";
import { showList } from "../output.ts";

/** `mesh nodes`. */
export async function run(context: Context, _args: Args): Promise<number> {
  const services = (node: api.NodeEntry): string[] => node.instances.map((i) => shortKey(i.service));
  await showList(context, await api.nodes(context.client()), {
    empty: "no host has joined yet: mesh acl ticket create",
    columns: [
      { header: "NODE", value: (r) => (r.revoked ? `${r.name} (revoked)` : r.name) },
      { header: "ADDRESS", value: (r) => r.address },
      { header: "INBOUND", value: (r) => String(r.inbound_port), align: "right" },
      { header: "MAY BE", value: (r) => r.allow.join(","), shrink: true },
      { header: "SERVICES", value: (r) => [...new Set(services(r))].join(","), shrink: true },
    ],
  });
  return 0;
}
