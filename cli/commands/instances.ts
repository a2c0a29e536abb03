import { parseServiceName } from "../../core/model/names.ts";
import * as api from "../api.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { clean } from "../format/table.ts";
import { showList } from "../output.ts";
import { statusText } from "../terminal.ts";

/** `mesh instances SERVICE`; exit code 1 when there is none. */
export async function run(context: Context, args: Args): Promise<number> {
  const service = parseServiceName(args.required("service"), context.namespace);
  const entries = await api.health(context.client(), service, { passing: args.flag("passing") === true });
  const rows = entries.map((entry) => ({
    node: entry.Node.Node,
    id: entry.Service.ID,
    address: `${entry.Service.Address === "" ? entry.Node.Address : entry.Service.Address}:${entry.Service.Port}`,
    status: api.worstStatus(entry.Checks),
    tags: entry.Service.Tags,
    checks: entry.Checks.map((c) => ({ id: c.CheckID, status: c.Status, output: c.Output })),
  }));
  const failing = (row: (typeof rows)[number]): string =>
    row.checks.filter((c) => c.status !== "passing").map((c) => `${c.id}: ${clean(c.output)}`).join("; ");
  await showList(context, rows, {
    empty: `no instance of ${args.required("service")} is registered`,
    columns: [
      { header: "HOST", value: (r) => r.node },
      { header: "ID", value: (r) => r.id },
      { header: "ADDRESS", value: (r) => r.address },
      { header: "HEALTH", value: (r) => statusText(context.style, r.status) },
      { header: "TAGS", value: (r) => r.tags.join(",") },
      { header: "CHECKS", value: failing, shrink: true },
    ],
  });
  return rows.length === 0 ? 1 : 0;
}
