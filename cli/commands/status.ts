import * as api from "../api-agent.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { clean } from "../format/table.ts";
import { formatDuration, plural } from "../format/values.ts";
import { renderPairs } from "../output.ts";
import type { Style } from "../terminal.ts";

/** `mesh status`: exit code 1 when something is wrong. */
export async function run(context: Context, _args: Args): Promise<number> {
  const found = await api.status(context.client());
  await context.show(found, () => renderStatus(found, context.style));
  return found.warnings.length === 0 ? 0 : 1;
}

/** This host in ten lines, warnings last. */
export function renderStatus(found: api.Status, style: Style): string {
  const good = (ok: boolean, text: string): string => (ok ? style.green(text) : style.red(text));
  const until = (iso: string): number => Date.parse(iso) - Date.now();
  const left = (iso: string): string => (iso === "" ? "none yet" : `${formatDuration(until(iso))} left`);
  const ago = (iso: string): string => (iso === "" ? "never" : `${formatDuration(-until(iso))} ago`);
  const { proxy, servers, services } = found;
  const unwell = services.filter((s) => s.status !== "passing");
  const earliest = found.certs.map((c) => c.not_after).filter((t) => t !== "").sort((a, b) => (a < b ? -1 : 1))[0];
  const pairs: [string, string][] = [
    ["node", `${found.node} (${found.advertise}, inbound ${found.inbound_port})`],
    ["cluster", `${found.cluster}, trust domain ${found.trust_domain}`],
    ["agent", `${good(true, "ok")}, pid ${found.agent.pid}, started ${ago(found.agent.started_at)}`],
    ["proxy", `${good(proxy.state === "ok", proxy.state)}, pid ${proxy.pid}, configuration ${proxy.acked_version}`
      + (proxy.restarts > 0 ? `, ${plural(proxy.restarts, "restart")}` : "")],
    ["servers", `${good(servers.connected, servers.connected ? "connected" : "away")} (${servers.addresses.join(", ")})`
      + (servers.connected ? "" : `, last contact ${ago(servers.last_contact)}`)],
    ["host certificate", left(found.node_cert.not_after)],
    ["service certificates",
      earliest === undefined ? "none" : `${found.certs.length}, the first has ${left(earliest)}`],
    ["services", `${services.length - unwell.length} of ${services.length} passing`
      + (unwell.length === 0 ? "" : style.red(` (${unwell.map((s) => `${s.id} ${s.status}`).join(", ")})`))],
  ];
  const mark = style.unicode ? "⚠" : "!";
  const warnings = found.warnings.map((w) => `${style.yellow(`${mark} ${clean(w)}`)}\n`).join("");
  return renderPairs(pairs, style) + warnings;
}
