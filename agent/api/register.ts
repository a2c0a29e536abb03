/** Registration, deregistration, maintenance: what is answered with 200 is on disk. */
import { networkInterfaces } from "node:os";
import { allows, notAllowedMessage } from "../../core/authz/allow.ts";
import { MeshError, type ErrorCode } from "../../core/base/errors.ts";
import { CODES } from "../../core/base/codes.ts";
import type { NodeRecord, NodeTopicRecord } from "../../core/model/catalog.ts";
import type { ListenerState } from "../../core/model/control.ts";
import { parseDuration } from "../../core/model/duration.ts";
import { DEFAULT_NAMESPACE, serviceKey } from "../../core/model/names.ts";
import { parseServiceDefinitions } from "../../core/model/service-parse.ts";
import type { ServiceDefinition } from "../../core/model/service.ts";
import type { ApiRequest, ApiResponse } from "../../io/api/router.ts";
import type { LocalAccess } from "../access.ts";
import type { AgentContext } from "../context.ts";
import { checkConflicts, type RegisteredService } from "../local-state.ts";

const WAIT_DEFAULT_MS = 30_000;
const WAIT_MAX_MS = 300_000;
const ASK_TIMEOUT_MS = 3_000;

/**
 * `PUT /v1/agent/service/register[?wait[=30s]][&file=NAME]`: one or several definitions, JSON or YAML. Registering the
 * same again changes nothing. Answers `{registered, unchanged, warnings}`; with `wait` only once the proxy serves them.
 */
export async function register(context: AgentContext, access: LocalAccess, req: ApiRequest): Promise<ApiResponse> {
  const waitMs = waitOf(req);
  const text = (await req.body()).toString("utf8");
  const file = req.query.get("file") ?? "request body";
  const namespace = req.query.get("ns") ?? DEFAULT_NAMESPACE;
  const { services, warnings } = parseServiceDefinitions(text, { file, namespace });
  for (const service of services) {
    access.require({ kind: "write", namespace: service.namespace });
    // Ids are the host's, not a namespace's: whoever replaces a service must be allowed to remove it.
    const replaced = context.state.get(service.id)?.definition;
    if (replaced !== undefined) access.require({ kind: "write", namespace: replaced.namespace });
    checkScripts(context, access, service);
    checkAddress(service);
  }
  const present = context.state.services().map((known) => known.definition);
  checkConflicts(services, present);
  await checkAllowed(context, services);
  const entries = services.map((definition): RegisteredService => {
    const maintenance = context.state.get(definition.id)?.maintenance;
    return { definition, origin: "api", ...(maintenance === undefined ? {} : { maintenance }) };
  });
  const same = entries.filter((entry) => {
    const known = context.state.get(entry.definition.id);
    return known !== undefined && JSON.stringify(known.definition) === JSON.stringify(entry.definition);
  });
  const changed = entries.filter((entry) => !same.includes(entry));
  if (changed.length > 0 && context.state.put(changed)) context.servicesChanged();
  if (waitMs > 0) await waitServed(context, services, AbortSignal.any([req.signal, AbortSignal.timeout(waitMs)]));
  const ids = (list: readonly RegisteredService[]): string[] => list.map((entry) => entry.definition.id);
  return { status: 200, body: { registered: ids(changed), unchanged: ids(same), warnings } };
}

/** `PUT /v1/agent/service/deregister/:id`. */
export function deregister(context: AgentContext, access: LocalAccess, req: ApiRequest): ApiResponse {
  const service = knownService(context, req.params["id"]!);
  access.require({ kind: "write", namespace: service.definition.namespace });
  context.state.remove([service.definition.id]);
  context.servicesChanged();
  return { status: 200, body: { deregistered: [service.definition.id] } };
}

/** `PUT /v1/agent/service/maintenance/:id?enable=true&reason=…`: the service gets no new requests. */
export function maintenance(context: AgentContext, access: LocalAccess, req: ApiRequest): ApiResponse {
  const { definition, origin } = knownService(context, req.params["id"]!);
  access.require({ kind: "write", namespace: definition.namespace });
  const enable = req.query.get("enable");
  if (enable !== "true" && enable !== "false") {
    throw new MeshError("INVALID", "enable must be true or false", { fix: "?enable=true&reason=…" });
  }
  const reason = req.query.get("reason") ?? "";
  const text = reason === "" ? "Maintenance mode is enabled for this service" : reason.slice(0, 1_000);
  const entry = { definition, origin, ...(enable === "true" ? { maintenance: text } : {}) };
  if (context.state.put([entry])) context.servicesChanged();
  return { status: 200, body: { id: definition.id, maintenance: enable === "true" } };
}

/** Throws NOT_FOUND as Consul words it. */
export function knownService(context: AgentContext, id: string): RegisteredService {
  const service = context.state.get(id);
  if (service !== undefined) return service;
  const byName = context.state.services().find((other) => other.definition.name === id)?.definition.id;
  const message = `Unknown service ID "${id}". Ensure that the service ID is passed, not the service name.`;
  throw new MeshError("NOT_FOUND", message, {
    fix: byName === undefined ? "mesh agent services lists them" : `did you mean "${byName}"?`,
  });
}

function waitOf(req: ApiRequest): number {
  const text = req.query.get("wait");
  if (text === null || text === "false") return 0;
  if (text === "" || text === "true") return WAIT_DEFAULT_MS;
  const ms = parseDuration(text);
  if (ms === undefined) throw new MeshError("INVALID", `wait=${text} is not a duration`, { fix: "wait=30s" });
  return Math.min(ms, WAIT_MAX_MS);
}

/** Whoever may register a script check may run programs as the agent's user (pitfall 54). */
function checkScripts(context: AgentContext, access: LocalAccess, service: ServiceDefinition): void {
  const script = service.checks.find((check) => check.probe.type === "script");
  if (script === undefined) return;
  if (!access.local) {
    throw new MeshError("DENIED", `script check "${script.id}" of ${service.id} cannot be registered over TCP`, {
      fix: "put the definition into the agent's services folder, or use an http, tcp, grpc or ttl check",
    });
  }
  if (context.options.enableScriptChecks !== true) {
    throw new MeshError("DENIED", `script check "${script.id}" of ${service.id}: script checks are not enabled`, {
      fix: "put the definition into the agent's services folder, or start the agent with --enable-script-checks",
    });
  }
}

/** An address elsewhere would make this host a relay for it. */
function checkAddress({ id, address }: ServiceDefinition): void {
  if (address === "" || address.startsWith("127.") || address === "::1") return;
  const own = Object.values(networkInterfaces()).flat().map((known) => known?.address);
  if (own.includes(address)) return;
  throw new MeshError("INVALID_SERVICE", `address ${address} of ${id} is not one of this host's`, {
    fix: `leave it out, or use one of ${[...new Set(own)].filter(Boolean).join(", ")}`,
  });
}

/** Refuses at once what the servers would refuse; while they are away, by what they last said. */
async function checkAllowed(context: AgentContext, services: readonly ServiceDefinition[]): Promise<void> {
  const { link, store, options } = context;
  const covers = (allow: readonly string[]): boolean => services.every((service) => allows(allow, service));
  let allow = (store.items(`node/${options.node}`)?.[0] as NodeTopicRecord | undefined)?.allow;
  if (allow === undefined || covers(allow)) return;
  try {
    // Permission may have been given a moment ago.
    const { nodeJson } = await link.call("nodeState", {}, { timeoutMs: ASK_TIMEOUT_MS });
    allow = (JSON.parse(Buffer.from(nodeJson).toString("utf8")) as NodeRecord).allow;
  } catch (error) {
    context.options.log.debug({ err: error }, "the servers were not asked again what this host may be");
  }
  const refused = services.find((service) => !allows(allow, service));
  if (refused === undefined) return;
  const { message, fix } = notAllowedMessage(options.node, refused);
  throw new MeshError("NOT_ALLOWED", message, { fix });
}

/** Until the proxy runs on a snapshot that has everything these services need. Throws the refusal, or TIMEOUT. */
async function waitServed(
  context: AgentContext, services: readonly ServiceDefinition[], signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const missing = missingFor(context, services);
    if (missing === undefined) return;
    if (signal.aborted) {
      throw new MeshError("TIMEOUT", `registered, but not served yet: ${missing}`, { fix: "mesh status says more" });
    }
    await context.nextChange(signal);
  }
}

/** The proxy tries a taken port again and again; whoever waits should know now. */
function checkListeners(services: readonly ServiceDefinition[], listeners: readonly ListenerState[]): void {
  const own = (key: string): boolean => services.some((s) => key.startsWith(`${serviceKey(s)}/${s.id}/`));
  const failed = listeners.filter(({ key, error }) => error !== "" && own(key));
  if (failed.length === 0) return;
  const said = failed.map(({ key, error }) => `${key}: ${error}`).join("; ");
  throw new MeshError("ADDRESS_IN_USE", `registered, but the proxy cannot listen for an upstream: ${said}`, {
    fix: "choose another local_bind_port, or stop what holds it: the proxy tries again by itself",
  });
}

function missingFor(context: AgentContext, services: readonly ServiceDefinition[]): string | undefined {
  const refusal = context.sync.status().refusals.find((r) => services.some((service) => service.id === r.id));
  if (refusal !== undefined) {
    const code = Object.hasOwn(CODES, refusal.code) ? refusal.code as ErrorCode : "CONFLICT";
    throw new MeshError(code, refusal.message, { fix: refusal.fix });
  }
  const identities = context.identities.current();
  for (const service of services) {
    if (!identities.has(serviceKey(service))) return `no certificate for ${serviceKey(service)}`;
    for (const upstream of service.upstreams) {
      const topic = `service/${serviceKey(upstream)}`;
      if (context.store.get(topic) === undefined) return `nothing is known of upstream ${serviceKey(upstream)}`;
    }
  }
  const version = context.publisher.publish();
  const proxy = context.control.status();
  if (proxy.ackedVersion >= version) {
    checkListeners(services, proxy.listeners);
    return undefined;
  }
  return proxy.nack === "" ? "the proxy has not confirmed yet" : `the proxy refuses it: ${proxy.nack}`;
}
