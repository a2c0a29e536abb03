/** This host in brief, and what its proxy really runs. */
import { HOUR_MS } from "../../core/base/time.ts";
import { MeshError } from "../../core/base/errors.ts";
import { nearest } from "../../core/base/nearest.ts";
import { serviceKey } from "../../core/model/names.ts";
import type { ApiRequest, ApiResponse } from "../../io/api/router.ts";
import type { LocalAccess } from "../access.ts";
import type { AgentContext } from "../context.ts";
import { isoOrEmpty } from "./services.ts";
import { snakeCase } from "./snake-case.ts";

const hoursLeft = (notAfterMs: number): number =>
  Math.max(0, Math.round(((notAfterMs - Date.now()) / HOUR_MS) * 10) / 10);

/** `GET /v1/mesh/status`. Services in namespaces that the caller may not read are left out. */
export function status(context: AgentContext, access: LocalAccess): ApiResponse {
  const { options, nodeId, link, control, supervisor, publisher, nodeRenewal, sync } = context;
  const server = link.status();
  const proxy = control.status();
  const readable = (key: string): boolean => access.can({ kind: "read", namespace: key.split("/")[0]! });
  const services = context.state.services().filter(({ definition }) => readable(serviceKey(definition)));
  const node = nodeRenewal.status();
  return { status: 200, body: {
    node: options.node,
    node_id: nodeId,
    cluster: link.credentials.clusterId,
    trust_domain: link.credentials.trustDomain,
    advertise: options.advertise,
    inbound_port: context.inboundPort(),
    agent: { pid: process.pid, started_at: isoOrEmpty(context.startedAtMs) },
    proxy: {
      state: !proxy.connected ? "down" : proxy.nack !== "" ? "refused" : proxy.ackedVersion === 0 ? "starting" : "ok",
      pid: proxy.pid, config_version: publisher.version, acked_version: proxy.ackedVersion, error: proxy.nack,
      ...supervisorShape(supervisor.status()),
      listeners: proxy.listeners,
    },
    servers: {
      connected: server.connected, addresses: server.servers, last_contact: isoOrEmpty(server.lastContactMs),
      error: server.lastError, index: context.store.index(), synced_at: isoOrEmpty(sync.status().syncedAtMs),
    },
    node_cert: { not_after: isoOrEmpty(node.notAfterMs), hours_left: hoursLeft(node.notAfterMs), alarm: node.alarm },
    certs: context.identities.status().filter((cert) => readable(cert.service)).map((cert) => ({
      service: cert.service, spiffe_id: cert.spiffeId, not_after: isoOrEmpty(cert.notAfterMs),
      hours_left: cert.notAfterMs === 0 ? 0 : hoursLeft(cert.notAfterMs), alarm: cert.alarm, error: cert.error,
    })),
    services: services.map(({ definition, maintenance }) => ({
      id: definition.id, service: serviceKey(definition), port: definition.port,
      status: maintenance === undefined ? context.checks.statusOf(definition.id) : "maintenance",
    })),
    refusals: sync.status().refusals,
    warnings: warnings(context),
  } };
}

function supervisorShape({ restarts, lastExit }: { restarts: number; lastExit: string }): object {
  return { restarts, last_exit: lastExit };
}

/** What people should know, most pressing first. */
export function warnings(context: AgentContext): string[] {
  const { link, control, sync, identities, nodeRenewal } = context;
  const found: string[] = [];
  const proxy = control.status();
  if (!proxy.connected) found.push(`the proxy is not running (${context.supervisor.status().lastExit || "starting"})`);
  if (proxy.nack !== "") found.push(`the proxy refuses its configuration: ${proxy.nack}`);
  for (const listener of proxy.listeners) if (listener.error !== "") found.push(`${listener.key}: ${listener.error}`);
  const server = link.status();
  if (!server.connected) found.push(`no server answers: ${server.lastError || "not connected yet"}`);
  for (const cert of identities.status()) {
    const { service, error, notAfterMs } = cert;
    if (cert.alarm) found.push(`the certificate of ${service} ends in ${hoursLeft(notAfterMs)} h: ${error}`);
    else if (notAfterMs === 0) found.push(`${service} has no certificate yet: ${error || "asked for"}`);
  }
  const node = nodeRenewal.status();
  if (node.alarm) found.push(`this host's certificate ends in ${hoursLeft(node.notAfterMs)} h: ${node.lastError}`);
  for (const { id, message, fix } of sync.status().refusals) found.push(`${id} is refused: ${message} (${fix})`);
  // While no server answers that has been said already.
  const { lastError } = sync.status();
  if (server.connected && lastError !== "") found.push(`the catalog is not up to date: ${lastError}`);
  return [...found, ...context.warnings()];
}

const SECTIONS = ["listeners", "clusters", "endpoints", "certs", "routes"];

/** `GET /v1/mesh/proxy-config/:section`: a part of the proxy's own dump, `all` for the whole. */
export async function proxyConfig(context: AgentContext, access: LocalAccess, req: ApiRequest): Promise<ApiResponse> {
  access.require({ kind: "read", namespace: "*" });
  const section = req.params["section"]!;
  const dump = snakeCase(await context.control.dump()) as Record<string, unknown>;
  if (section === "all") return { status: 200, body: dump };
  const part = dump[section];
  if (part !== undefined) return { status: 200, body: part as object };
  if (section === "routes") throw new MeshError("NOT_BUILT", "routes are not offered by this version");
  const near = nearest(section, SECTIONS);
  throw new MeshError("NOT_FOUND", `the proxy has no section "${section}"`, {
    fix: near === undefined ? `use one of ${SECTIONS.join(", ")}` : `did you mean "${near}"?`,
  });
}
