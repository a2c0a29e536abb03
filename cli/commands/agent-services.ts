import * as api from "../api-agent.ts";
import { worstStatus } from "../api.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { clean } from "../format/table.ts";
import { shortName } from "../names.ts";
import { showList } from "../output.ts";
import { statusText } from "../terminal.ts";

/** `mesh agent services`. */
export async function run(context: Context, _args: Args): Promise<number> {
  const client = context.client();
  const [services, checks] = await Promise.all([api.localServices(client), api.localChecks(client)]);
  const rows = Object.values(services).map((service) => {
    const own = Object.values(checks).filter((c) => c.ServiceID === service.ID);
    return {
      id: service.ID, service: shortName(service.Namespace ?? "", service.Service), port: service.Port,
      ...stateOf(service, worstStatus(own)), tags: service.Tags,
      checks: own.map((c) => ({ id: c.CheckID, status: c.Status, output: c.Output })),
    };
  }).sort((a, b) => (a.id < b.id ? -1 : 1));
  const notes = (row: (typeof rows)[number]): string => [
    ...(row.reason === "" ? [] : [clean(row.reason)]),
    ...row.checks.filter((c) => c.status !== "passing").map((c) => `${c.id}: ${clean(c.output)}`),
  ].join("; ");
  await showList(context, rows, {
    empty: "no service is registered on this host: mesh agent register FILE",
    columns: [
      { header: "ID", value: (r) => r.id },
      { header: "SERVICE", value: (r) => r.service },
      { header: "PORT", value: (r) => String(r.port), align: "right" },
      { header: "STATUS", value: (r) => statusText(context.style, r.status) },
      { header: "TAGS", value: (r) => r.tags.join(",") },
      { header: "NOTES", value: notes, shrink: true },
    ],
  });
  return 0;
}

/** What keeps a service from being called comes before the health of its checks. */
function stateOf({ Mesh }: api.LocalServiceEntry, health: string): { status: string; reason: string } {
  if (Mesh?.Refused !== undefined) {
    return { status: "refused", reason: `${Mesh.Refused.Message} (${Mesh.Refused.Fix})` };
  }
  if (Mesh?.Status === "maintenance") return { status: "maintenance", reason: Mesh.Maintenance ?? "" };
  if (Mesh?.CertNotAfter === "") return { status: "no certificate", reason: Mesh.CertError ?? "asked for" };
  return { status: health, reason: Mesh?.CertError ?? "" };
}
