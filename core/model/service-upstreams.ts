/** `connect.sidecar_service.proxy.upstreams`: what a service calls, and where it finds it on its own host. */
import { MINUTE_MS } from "../base/time.ts";
import type { Balance, Protocol } from "./catalog.ts";
import type { Fields } from "./fields.ts";
import { isLabel } from "./names.ts";
import type { UpstreamDefinition } from "./service.ts";

const UPSTREAMS_MAX = 256;
/** sun_path holds 108 bytes with the closing zero. */
const SOCKET_PATH_MAX = 107;
const PROTOCOLS: readonly Protocol[] = ["http", "tcp", "auto"];
const BALANCES: readonly Balance[] = ["round_robin", "least_request"];

/** Reads the list; each upstream's place to listen must be its own. Names without a namespace are the caller's own. */
export function parseUpstreams(proxy: Fields, ownNamespace: string): readonly UpstreamDefinition[] {
  const found: UpstreamDefinition[] = [];
  for (const fields of proxy.list("upstreams")) {
    const upstream = parseUpstream(fields, ownNamespace);
    const bind = bindOf(upstream);
    if (found.some((other) => bindOf(other) === bind)) {
      fields.report.add(fields.place, `${fields.path} listens on ${bind} as another upstream does`,
        "give each upstream its own local_bind_port");
    }
    found.push(upstream);
  }
  if (found.length > UPSTREAMS_MAX) {
    proxy.report.add(proxy.place, `${proxy.path}.upstreams has more than ${UPSTREAMS_MAX} entries`);
  }
  return found;
}

const bindOf = (upstream: UpstreamDefinition): string =>
  upstream.bindSocketPath === "" ? `${upstream.bindAddress}:${upstream.bindPort}` : upstream.bindSocketPath;

function parseUpstream(fields: Fields, ownNamespace: string): UpstreamDefinition {
  const { report } = fields;
  const name = fields.string("destination_name");
  const namespace = fields.string("destination_namespace");
  if (name === undefined) fields.missing("destination_name", "a service's name", report.line("destination_name", "db"));
  else if (!isLabel(name)) {
    report.add(fields.place, `${fields.path}.destination_name must be a service's name, got ${JSON.stringify(name)}`);
  }
  if (namespace !== undefined && !isLabel(namespace)) {
    const got = JSON.stringify(namespace);
    report.add(fields.place, `${fields.path}.destination_namespace must be a namespace, got ${got}`);
  }
  const bind = parseBind(fields);
  const config = fields.fields("config");
  const upstream: UpstreamDefinition = {
    namespace: namespace ?? ownNamespace,
    name: name ?? "",
    ...bind,
    protocol: config?.oneOf("protocol", PROTOCOLS),
    balance: config?.oneOf("balance", BALANCES),
    connectTimeoutMs: config?.integer("connect_timeout_ms", { min: 1, max: MINUTE_MS }),
  };
  config?.done();
  const type = fields.string("destination_type");
  if (type !== undefined && type !== "" && type !== "service") {
    const message = `${fields.path}.destination_type "${type}" is not supported`;
    report.add(fields.place, message, 'use "service" or leave it out');
  }
  fields.unsupported("mesh_gateway", "remove it: hosts reach each other directly");
  fields.unsupported("destination_peer", "remove it");
  fields.unsupported("centrally_configured", "remove it");
  fields.ignored("destination_partition", "there are none");
  fields.ignored("datacenter", "there is one");
  fields.done();
  return upstream;
}

type Bind = Pick<UpstreamDefinition, "bindAddress" | "bindPort" | "bindSocketPath" | "bindSocketMode">;

function parseBind(fields: Fields): Bind {
  const { report } = fields;
  const hasPort = fields.has("local_bind_port");
  const port = fields.integer("local_bind_port", { min: 1, max: 65_535 }) ?? 0;
  const address = fields.string("local_bind_address") ?? "";
  const path = fields.string("local_bind_socket_path") ?? "";
  // Both spellings are in use: the second is Consul's.
  const modes = [fields.string("mode"), fields.string("local_bind_socket_mode")];
  const mode = modes.find((text) => text !== undefined && text !== "") ?? "0600";
  if (!/^0?[0-7]{3}$/.test(mode)) {
    report.add(fields.place, `${fields.path}.local_bind_socket_mode must be octal digits, got ${JSON.stringify(mode)}`,
      report.line("local_bind_socket_mode", "0600"));
  }
  if (path === "" && !hasPort) {
    fields.missing("local_bind_port", "a number from 1 to 65535", report.line("local_bind_port", 9191));
  }
  if (path !== "" && (hasPort || address !== "")) {
    report.add(fields.place, `${fields.path} has both local_bind_port and local_bind_socket_path`, "keep one of them");
  }
  if (path !== "" && (!path.startsWith("/") || path.length > SOCKET_PATH_MAX || path.includes("\0"))) {
    report.add(fields.place, `${fields.path}.local_bind_socket_path must be an absolute path of at most ` +
      `${SOCKET_PATH_MAX} bytes, got ${JSON.stringify(path)}`);
  }
  if (address !== "" && !/^(?:\d{1,3}\.){3}\d{1,3}$|^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(address)) {
    report.add(fields.place, `${fields.path}.local_bind_address must be an IP address, got ${JSON.stringify(address)}`,
      report.line("local_bind_address", "127.0.0.1"));
  }
  if (address !== "" && !/^(?:127\.|::1$)/.test(address)) {
    report.warn(fields.place, `${fields.path}.local_bind_address ${address} is no loopback address: ` +
      "whoever reaches it calls as this service");
  }
  const bindAddress = path === "" ? address || "127.0.0.1" : "";
  return { bindAddress, bindPort: port, bindSocketPath: path, bindSocketMode: mode };
}
