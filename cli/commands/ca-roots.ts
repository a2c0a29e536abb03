import * as api from "../api-access.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { formatDuration } from "../format/values.ts";
import { showList } from "../output.ts";

/** `mesh ca roots`. */
export async function run(context: Context, _args: Args): Promise<number> {
  const { Roots, TrustDomain } = await api.caRoots(context.client());
  const rows = Roots.map((r) => ({
    id: r.ID, active: r.Active, trust_domain: TrustDomain, not_before: r.NotBefore, not_after: r.NotAfter,
    pem: r.RootCert,
  }));
  await showList(context, rows, {
    empty: "the cluster has no root yet",
    columns: [
      { header: "SHA-256", value: (r) => r.id, shrink: true },
      { header: "TRUST DOMAIN", value: (r) => r.trust_domain },
      { header: "SIGNS", value: (r) => (r.active ? "yes" : "no") },
      { header: "ENDS IN", value: (r) => formatDuration(Date.parse(r.not_after) - Date.now()) },
    ],
  });
  return 0;
}
