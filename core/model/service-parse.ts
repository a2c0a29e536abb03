/**
 * Consul's service definitions, as files and API bodies carry them, into our own ServiceDefinition: snake_case or
 * CamelCase, JSON or YAML, `{"service": …}`, `{"services": […]}`, a list, or one bare. All mistakes are reported at
 * once. A field that Consul knows and we do not is an error that names it, unless leaving it out changes nothing.
 */
import type { Protocol } from "./catalog.ts";
import { Fields, Report, fieldsOf, show } from "./fields.ts";
import { DEFAULT_NAMESPACE, RESERVED_NAMESPACES, isLabel } from "./names.ts";
import { parseChecks } from "./service-checks.ts";
import { parseUpstreams } from "./service-upstreams.ts";
import { parseSource, type SourceNode } from "./source.ts";
import type { ServiceDefinition } from "./service.ts";

export interface ParsedServices {
  readonly services: readonly ServiceDefinition[];
  /** `file:line:column: …` of fields that were accepted without effect, and of doubtful values. */
  readonly warnings: readonly string[];
}

export interface ServiceTextOptions {
  /** How errors call the text: a file's name or `request body`. */
  readonly file: string;
  /** For definitions that name no namespace. */
  readonly namespace?: string;
}

export const PROTOCOLS: readonly Protocol[] = ["http", "tcp", "auto"];
const ID = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/;
const META_ENTRIES_MAX = 64;
const META_KEY = /^(?!__proto__$)[A-Za-z0-9_-]{1,128}$/;
const META_VALUE_MAX = 512;
const TAGS_MAX = 64;

/** Throws INVALID_SERVICE with every mistake of the text. */
export function parseServiceDefinitions(text: string, options: ServiceTextOptions): ParsedServices {
  const source = parseSource(text);
  const report = new Report(options.file, source.json);
  for (const { place, message } of source.problems) report.add(place, message);
  report.stop("INVALID_SERVICE");
  const services: ServiceDefinition[] = [];
  for (const fields of source.documents.flatMap((document) => definitionsIn(report, document))) {
    const service = parseOne(fields, options.namespace ?? DEFAULT_NAMESPACE);
    if (services.some((other) => other.id === service.id)) {
      report.add(fields.place, `${fields.path}.id "${service.id}" is used twice`, "give each service its own id");
    }
    services.push(service);
  }
  if (services.length === 0 && report.problems.length === 0) {
    report.add({ line: 1, column: 1 }, "holds no service definition", report.line("service", "…"));
  }
  report.stop("INVALID_SERVICE");
  return { services, warnings: report.warnings };
}

function definitionsIn(report: Report, document: SourceNode): readonly Fields[] {
  if (document.kind === "list") return fieldsOf(report, document.items, "services");
  if (document.kind !== "map") {
    report.add(document.place, `a service definition must be an object, got ${show(document)}`);
    return [];
  }
  const wrapped = document.entries.some(({ key }) => /^services?$/i.test(key));
  if (!wrapped) return [new Fields(report, document, "service")];
  const outer = new Fields(report, document, "");
  const found = [...outer.list("services")];
  const single = outer.entry("service");
  if (single?.value.kind === "map") found.push(new Fields(report, single.value, "service"));
  else if (single !== undefined) outer.wrong(single, "an object");
  outer.unsupported("check", "put the check into a service's checks");
  outer.unsupported("checks", "put the checks into a service's checks");
  outer.done();
  return found;
}

function parseOne(fields: Fields, defaultNamespace: string): ServiceDefinition {
  const name = parseName(fields);
  const namespace = parseNamespace(fields, defaultNamespace);
  const id = parseId(fields, name);
  const connect = parseConnect(fields, namespace);
  // Without a port a service only calls others.
  if (!fields.has("port") && connect.upstreams.length === 0) {
    fields.missing("port", "a number from 1 to 65535", fields.report.line("port", 8080));
  }
  const port = fields.integer("port", { min: 1, max: 65_535 });
  const checks = parseChecks(fields, { id, name });
  const definition: ServiceDefinition = {
    id,
    name,
    namespace,
    address: parseAddress(fields),
    port: port ?? 0,
    protocol: fields.oneOf("protocol", PROTOCOLS) ?? connect.protocol ?? "auto",
    tags: parseTags(fields),
    meta: parseMeta(fields, name),
    weights: parseWeights(fields),
    checks,
    upstreams: connect.upstreams,
  };
  refuseForeign(fields);
  fields.done();
  return definition;
}

function parseName(fields: Fields): string {
  const entry = fields.entry("name");
  const rule = "lower case letters, digits and inner hyphens, at most 63 characters";
  if (entry === undefined) {
    fields.missing("name", rule, fields.report.line("name", "web"));
    return "";
  }
  const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
  if (typeof value === "string" && isLabel(value)) return value;
  const meant = typeof value === "string" ? value.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-") : "";
  fields.wrong(entry, rule, isLabel(meant) ? fields.report.line(entry.key, meant) : "");
  return "";
}

function parseNamespace(fields: Fields, fallback: string): string {
  // Consul Enterprise writes it as Namespace or NS.
  const entry = fields.entry("namespace");
  if (entry === undefined) return fallback;
  const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
  if (value === "") return fallback;
  if (typeof value !== "string" || !isLabel(value)) {
    fields.wrong(entry, "lower case letters, digits and inner hyphens");
  } else if (RESERVED_NAMESPACES.includes(value)) {
    fields.wrong(entry, "a word that DNS names do not use", "choose another namespace");
  } else {
    return value;
  }
  return fallback;
}

function parseId(fields: Fields, name: string): string {
  const entry = fields.entry("id");
  if (entry === undefined) return name;
  const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
  if (value === "") return name;
  if (typeof value === "string" && ID.test(value)) return value;
  fields.wrong(entry, "letters, digits and . _ : @ - inside, at most 128 characters");
  return name;
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const IPV6 = /^[0-9a-f:]+(?:\.\d+\.\d+\.\d+)?$/i;
export const isAddress = (text: string): boolean => IPV4.test(text) || (text.includes(":") && IPV6.test(text));

function parseAddress(fields: Fields): string {
  const entry = fields.entry("address");
  if (entry === undefined) return "";
  const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
  if (typeof value === "string" && (value === "" || isAddress(value))) return value;
  const fix = value === "localhost" ? fields.report.line(entry.key, "127.0.0.1") : "";
  fields.wrong(entry, "an IP address of this host", fix);
  return "";
}

function parseTags(fields: Fields): readonly string[] {
  const tags = fields.strings("tags") ?? [];
  if (tags.length > TAGS_MAX) fields.report.add(fields.place, `${fields.path}.tags has more than ${TAGS_MAX} entries`);
  return [...new Set(tags)];
}

function parseMeta(fields: Fields, name: string): Readonly<Record<string, string>> {
  const meta: [string, string][] = [];
  for (const { key, keyPlace, value, path } of fields.entries("meta")) {
    if (!META_KEY.test(key)) {
      fields.report.add(keyPlace, `${path}: a meta key is letters, digits, _ and -, at most 128`);
    } else if (value.kind !== "scalar" || typeof value.value !== "string") {
      const fix = value.kind === "scalar" ? `${JSON.stringify(key)}: ${JSON.stringify(`${value.value}`)}` : "";
      fields.report.add(value.place, `${path} must be a string, got ${show(value)}`, fix);
    } else if (value.value.length > META_VALUE_MAX) {
      fields.report.add(value.place, `${path} is longer than ${META_VALUE_MAX} characters`);
    } else {
      meta.push([key, value.value]);
      if ((key === "app" || key === "service") && value.value !== name) {
        fields.report.warn(value.place, `${path} does not change the label "${key}", which is always "${name}"`);
      }
    }
  }
  if (meta.length > META_ENTRIES_MAX) {
    fields.report.add(fields.place, `${fields.path}.meta has more than ${META_ENTRIES_MAX} entries`);
  }
  return Object.fromEntries(meta);
}

function parseWeights(fields: Fields): ServiceDefinition["weights"] {
  const inner = fields.fields("weights");
  if (inner === undefined) return { passing: 1, warning: 1 };
  const range = { min: 0, max: 65_535 };
  const weights = { passing: inner.integer("passing", range) ?? 1, warning: inner.integer("warning", range) ?? 1 };
  inner.done();
  return weights;
}

interface ConnectPart {
  readonly upstreams: ServiceDefinition["upstreams"];
  readonly protocol: Protocol | undefined;
}

function parseConnect(fields: Fields, namespace: string): ConnectPart {
  const nothing = { upstreams: [], protocol: undefined };
  const connect = fields.fields("connect");
  if (connect === undefined) return nothing;
  connect.unsupported("native", "remove it: the host's proxy holds the service's identity");
  const sidecar = connect.fields("sidecar_service");
  connect.done();
  if (sidecar === undefined) return nothing;
  for (const name of ["port", "id", "name", "address", "tags", "meta", "check", "checks", "weights", "kind"]) {
    sidecar.ignored(name, "one proxy per host serves all services, on the host's inbound port");
  }
  const proxy = sidecar.fields("proxy");
  refuseForeign(sidecar);
  sidecar.done();
  if (proxy === undefined) return nothing;
  const upstreams = parseUpstreams(proxy, namespace);
  const config = proxy.fields("config");
  const protocol = config?.oneOf("protocol", PROTOCOLS);
  config?.done();
  for (const name of ["mode", "transparent_proxy"]) {
    proxy.unsupported(name, "remove it: upstreams are explicit, by local_bind_port");
  }
  for (const name of ["mesh_gateway", "expose", "envoy_extensions", "access_logs"]) {
    proxy.unsupported(name, "remove it");
  }
  for (const name of ["local_service_address", "local_service_port", "local_service_socket_path"]) {
    proxy.unsupported(name, "use the service's own address and port");
  }
  for (const name of ["destination_service_name", "destination_service_id"]) {
    proxy.ignored(name, "the proxy serves the service that it stands under");
  }
  proxy.done();
  return { upstreams, protocol };
}

/** What Consul's definition has besides. */
function refuseForeign(fields: Fields): void {
  fields.unsupported("kind", "remove it: proxies and gateways are not registered as services");
  fields.unsupported("proxy", "put upstreams into connect.sidecar_service.proxy");
  fields.unsupported("enable_tag_override", "remove it: tags change only by registering again");
  fields.unsupported("socket_path", "give the service a port");
  fields.unsupported("ports", "register one service per port");
  fields.ignored("token", "what a host may register is on its node record (mesh acl node allow)");
  fields.ignored("tagged_addresses", "the mesh reaches a service through its host's proxy");
  fields.ignored("locality", "nothing is chosen by it yet");
  fields.ignored("partition", "there are none");
  fields.ignored("peer_name", "there are none");
  fields.ignored("datacenter", "there is one");
}
