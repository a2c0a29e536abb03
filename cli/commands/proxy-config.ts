import * as api from "../api-agent.ts";
import type { Args } from "../args.ts";
import type { Context } from "../context.ts";
import { type Column, clean } from "../format/table.ts";
import { formatDuration } from "../format/values.ts";
import { shortKey } from "../names.ts";
import { showList } from "../output.ts";
import { statusText } from "../terminal.ts";

type Row = Readonly<Record<string, unknown>>;

const cell = (row: Row, name: string): string => {
  const value = row[name];
  return typeof value === "string" || typeof value === "number" ? clean(String(value)) : "";
};
const text = (header: string, name: string): Column<Row> => ({ header, value: (row) => cell(row, name) });
const service = (header: string, name: string): Column<Row> => ({ header, value: (row) => shortKey(cell(row, name)) });
const number = (header: string, name: string): Column<Row> => ({ ...text(header, name), align: "right" });

/** `source/instance/destination/port` of an outbound listener, in words. */
function listenerName(key: string): string {
  const parts = key.split("/");
  if (parts.length < 6) return key;
  return `${shortKey(parts.slice(0, 2).join("/"))} to ${shortKey(parts.slice(3, 5).join("/"))}`;
}

const cluster = (name: string): Column<Row> => ({ header: "UPSTREAM", value: (row) => listenerName(cell(row, name)) });

/** The sections of a proxy's dump that are lists, each as a table. */
function columnsOf(section: string, context: Context): readonly Column<Row>[] | undefined {
  const health = (row: Row): string => statusText(context.style, row["healthy"] === true ? "passing" : "critical");
  const tables: Readonly<Record<string, readonly Column<Row>[]>> = {
    listeners: [
      { header: "LISTENER", value: (row) => listenerName(cell(row, "key")) }, text("ADDRESS", "address"),
      text("ERROR", "error"),
    ],
    routes: [
      service("SOURCE", "source"), service("DESTINATION", "destination"), text("PROTOCOL", "protocol"),
    ],
    clusters: [
      cluster("name"), text("BALANCE", "balance"), number("ENDPOINTS", "endpoints"), number("HEALTHY", "healthy"),
      number("CONNECT TIMEOUT MS", "connect_timeout_ms"),
    ],
    endpoints: [
      cluster("cluster"), text("INSTANCE", "id"), text("HOST", "node"),
      { header: "ADDRESS", value: (row) => `${cell(row, "host")}:${cell(row, "port")}` },
      { header: "HEALTH", value: health }, number("WEIGHT", "weight"), number("ACTIVE", "active"),
      number("TUNNELS", "tunnels"), { ...text("LAST ERROR", "last_error"), shrink: true },
    ],
    certs: [
      service("SERVICE", "service"), text("SPIFFE ID", "spiffe_id"),
      { header: "LEFT", value: (row) => formatDuration(Date.parse(cell(row, "not_after")) - Date.now()) },
    ],
  };
  return tables[section];
}

/** `mesh proxy-config [SECTION]`: without a section all of it, as JSON. */
export async function run(context: Context, args: Args): Promise<number> {
  const section = args.text("section") ?? "all";
  const dump = await api.proxyConfig(context.client(), section);
  const columns = columnsOf(section, context);
  if (columns === undefined || !Array.isArray(dump)) {
    await context.show(dump, () => `${JSON.stringify(dump, null, 2)}\n`);
    return 0;
  }
  await showList(context, dump as readonly Row[], { columns, empty: `the proxy has no ${section} yet` });
  return 0;
}
