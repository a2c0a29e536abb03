/** The checks of a service definition, in Consul's terms. */
import { DAY_MS, MINUTE_MS, SECOND_MS } from "../base/time.ts";
import type { CheckStatus } from "./catalog.ts";
import type { Fields } from "./fields.ts";
import { show } from "./fields.ts";
import type { CheckDefinition, CheckProbe } from "./service.ts";
import type { SourceEntry } from "./source.ts";

/** Consul runs no check more often than once a second; tests and fast failover want a little more. */
const INTERVAL = { min: 100, max: DAY_MS };
const TIMEOUT = { min: 1, max: 10 * MINUTE_MS };
const TTL = { min: 100, max: 30 * DAY_MS };
const STREAK = { min: 0, max: 1_000 };
const INTERVAL_DEFAULT_MS = 10 * SECOND_MS;
const TIMEOUT_DEFAULT_MS = 10 * SECOND_MS;
/** Consul's shortest too: a shorter absence is no reason to forget a service. */
const DEREGISTER = { min: MINUTE_MS, max: 365 * DAY_MS };
const ARGS_MAX = 64;
const CHECKS_MAX = 32;
const METHOD = /^[A-Z]{1,16}$/;
const HTTP_URL = /^https?:\/\/(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(?:[/?][\x21-\x7e]*)?$/;
const HOST_PORT = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
const HEADER_VALUE = /^[\t -~\u0080-\uffff]*$/;
const STATUSES: readonly CheckStatus[] = ["passing", "warning", "critical"];

const TYPES = ["http", "tcp", "ttl", "args", "script", "grpc"] as const;

/** Reads `check` and `checks` of a service. */
export function parseChecks(fields: Fields, service: { id: string; name: string }): readonly CheckDefinition[] {
  const single = fields.fields("check");
  const all = [...(single === undefined ? [] : [single]), ...fields.list("checks")];
  if (all.length > CHECKS_MAX) fields.report.add(fields.place, `${fields.path} has more than ${CHECKS_MAX} checks`);
  const found: CheckDefinition[] = [];
  for (const [i, check] of all.entries()) {
    const suffix = all.length === 1 ? "" : `:${i + 1}`;
    const parsed = parseCheck(check, { id: `service:${service.id}${suffix}`, name: `Service '${service.name}' check` });
    if (found.some((other) => other.id === parsed.id)) {
      check.report.add(check.place, `${check.path}.id "${parsed.id}" is used twice`, "give each check its own id");
    }
    found.push(parsed);
  }
  return found;
}

function parseCheck(fields: Fields, defaults: { id: string; name: string }): CheckDefinition {
  const ids = [fields.string("id"), fields.string("check_id")];
  const probe = parseProbe(fields);
  const intervalMs = fields.duration("interval", INTERVAL) ?? INTERVAL_DEFAULT_MS;
  const critical = fields.integer("failures_before_critical", STREAK);
  const check: CheckDefinition = {
    id: ids.find((id) => id !== undefined && id !== "") ?? defaults.id,
    name: fields.string("name") ?? defaults.name,
    notes: fields.string("notes") ?? "",
    probe,
    intervalMs,
    timeoutMs: fields.duration("timeout", TIMEOUT) ?? Math.min(TIMEOUT_DEFAULT_MS, Math.max(intervalMs, SECOND_MS)),
    initialStatus: fields.oneOf("status", STATUSES) ?? "critical",
    successBeforePassing: fields.integer("success_before_passing", STREAK) ?? 0,
    failuresBeforeWarning: fields.integer("failures_before_warning", STREAK) ?? critical ?? 0,
    failuresBeforeCritical: critical ?? 0,
    deregisterCriticalAfterMs: fields.duration("deregister_critical_service_after", DEREGISTER) ?? 0,
  };
  if (check.id.length > 256 || !/^[!-.0-~]*$/.test(check.id)) {
    fields.report.add(fields.place, `${fields.path}.id must be at most 256 visible ASCII characters without slashes`);
  }
  refuseForeign(fields);
  fields.done();
  return check;
}

function parseProbe(fields: Fields): CheckProbe {
  const given = TYPES.filter((type) => fields.has(type) || (type === "args" && fields.has("script_args")));
  const type = given[0];
  const list = `one of ${TYPES.join(", ")}`;
  if (type === undefined) fields.report.add(fields.place, `${fields.path} says nothing to do: give ${list}`);
  if (given.length > 1) {
    fields.report.add(fields.place, `${fields.path} has ${given.join(" and ")}: a check is ${list}`, "make two checks");
  }
  const http = parseHttp(fields);
  const grpcTls = fields.boolean("grpc_use_tls") ?? false;
  const tcp = hostPort(fields, "tcp");
  const ttlMs = fields.duration("ttl", TTL) ?? MINUTE_MS;
  const args = parseArgs(fields);
  const grpc = parseGrpc(fields);
  if (type === "tcp") return { type: "tcp", ...tcp };
  if (type === "ttl") return { type: "ttl", ttlMs };
  if (type === "args" || type === "script") return { type: "script", args };
  if (type === "grpc") return { type: "grpc", ...grpc, useTls: grpcTls };
  return http;
}

function parseHttp(fields: Fields): CheckProbe & { type: "http" } {
  const url = fields.entry("http");
  const text = scalarText(url);
  const port = HTTP_URL.exec(text)?.[1];
  if (url !== undefined && (!HTTP_URL.test(text) || Number(port ?? 80) > 65_535 || port === "0")) {
    fields.wrong(url, 'a URL such as "http://127.0.0.1:8080/health"');
  }
  const method = fields.entry("method");
  const methodText = method === undefined ? "GET" : scalarText(method).toUpperCase();
  if (method !== undefined && !METHOD.test(methodText)) fields.wrong(method, 'a method such as "GET"');
  const headers: [string, readonly string[]][] = [];
  for (const { key, keyPlace, value, path } of fields.entries("header")) {
    const texts = value.kind === "list" ? value.items.map((v) => (v.kind === "scalar" ? v.value : null))
      : value.kind === "scalar" ? [value.value] : [null];
    const good = texts.filter((text): text is string => typeof text === "string" && HEADER_VALUE.test(text));
    if (!HEADER_NAME.test(key)) fields.report.add(keyPlace, `${path} is not a header's name`);
    else if (good.length !== texts.length) {
      fields.report.add(value.place, `${path} must be a list of strings, got ${show(value)}`);
    } else headers.push([key, good]);
  }
  const tlsSkipVerify = fields.boolean("tls_skip_verify") ?? false;
  const body = fields.string("body") ?? "";
  return { type: "http", url: text, method: methodText, body, headers: Object.fromEntries(headers), tlsSkipVerify };
}

function hostPort(fields: Fields, name: string): { host: string; port: number } {
  const entry = fields.entry(name);
  if (entry === undefined) return { host: "", port: 0 };
  const split = splitHostPort(scalarText(entry));
  if (split === undefined) fields.wrong(entry, 'an address and port such as "127.0.0.1:8080"');
  return split ?? { host: "", port: 0 };
}

function parseGrpc(fields: Fields): { host: string; port: number; service: string } {
  const entry = fields.entry("grpc");
  if (entry === undefined) return { host: "", port: 0, service: "" };
  const [, address = "", service = ""] = /^([^/]*)(?:\/(.*))?$/s.exec(scalarText(entry)) ?? [];
  const split = splitHostPort(address);
  if (split === undefined) fields.wrong(entry, 'an address and port, and perhaps a service: "127.0.0.1:8080/name"');
  return { ...(split ?? { host: "", port: 0 }), service };
}

function splitHostPort(text: string): { host: string; port: number } | undefined {
  const match = HOST_PORT.exec(text);
  const port = Number(match?.[3]);
  return match === null || port < 1 || port > 65_535 ? undefined : { host: match[1] ?? match[2]!, port };
}

function parseArgs(fields: Fields): readonly string[] {
  const script = fields.string("script");
  const names = ["args", "script_args"].filter((name) => fields.has(name));
  const lists = ["args", "script_args"].map((name) => fields.strings(name) ?? []);
  const args = lists.find((list) => list.length > 0) ?? [];
  const bad = args.length > ARGS_MAX || args.some((arg) => arg.includes("\0"));
  if (names.length > 0 && (args.length === 0 || args[0] === "" || bad)) {
    fields.report.add(fields.place, `${fields.path}.args must be a program and its arguments, ${ARGS_MAX} at most`);
  }
  return script === undefined ? args : ["/bin/sh", "-c", script];
}

function scalarText(entry: SourceEntry | undefined): string {
  return entry?.value.kind === "scalar" && typeof entry.value.value === "string" ? entry.value.value : "";
}

function refuseForeign(fields: Fields): void {
  for (const name of ["docker_container_id", "shell", "alias_node", "alias_service", "h2ping", "udp", "os_service"]) {
    fields.unsupported(name, "use http, tcp, ttl, args or grpc");
  }
  fields.unsupported("tls_server_name", "remove it: the name in the URL is checked");
  fields.unsupported("tcp_use_tls", "use an http check with https://");
  fields.unsupported("h2ping_use_tls", "remove it");
  fields.ignored("service_id", "a check belongs to the service that it stands under");
  fields.ignored("service_name", "a check belongs to the service that it stands under");
  fields.ignored("token", "checks need none");
  fields.ignored("output_max_size", "output is cut at 4096 bytes");
  fields.ignored("disable_redirects", "a check never follows redirects");
  fields.ignored("namespace", "a check lives in its service's namespace");
}

