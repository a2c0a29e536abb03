/**
 * Reads a snapshot from the agent's JSON. By hand, because a validation library would cost the proxy more memory than
 * all its tunnels; every field that the proxy acts on is checked, and the error names the path of the first bad one.
 */
import { MeshError } from "../core/base/errors.ts";
import { parseServiceName } from "../core/model/names.ts";
import type { ProxySnapshot } from "../core/model/snapshot.ts";

type Check = (value: unknown, path: string) => void;

function bad(path: string, want: string, value: unknown): never {
  // Values are not shown: some are keys.
  throw new MeshError("INVALID_CONFIG", `snapshot: ${path} must be ${want}, not ${typeof value}`, { where: path });
}

const text: Check = (value, path) => {
  if (typeof value !== "string") bad(path, "a string", value);
};
const filled: Check = (value, path) => {
  if (typeof value !== "string" || value === "") bad(path, "a string that is not empty", value);
};
const flag: Check = (value, path) => {
  if (typeof value !== "boolean") bad(path, "true or false", value);
};
const integer = (min: number, max: number): Check => (value, path) => {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    bad(path, `a whole number from ${min} to ${max}`, value);
  }
};
const oneOf = (...words: string[]): Check => (value, path) => {
  if (!words.includes(value as string)) bad(path, `one of ${words.join(", ")}`, value);
};
const list = (check: Check): Check => (value, path) => {
  if (!Array.isArray(value)) bad(path, "a list", value);
  value.forEach((item, i) => check(item, `${path}[${i}]`));
};
const object = (fields: Readonly<Record<string, Check>>): Check => (value, path) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) bad(path, "an object", value);
  for (const [name, check] of Object.entries(fields)) {
    check((value as Record<string, unknown>)[name], path === "" ? name : `${path}.${name}`);
  }
};
const service: Check = (value, path) => {
  filled(value, path);
  try {
    parseServiceName(value as string);
  } catch {
    bad(path, "a service's full name", value);
  }
};

const port = integer(0, 65_535);
const protocol = oneOf("http", "tcp", "auto");
const name = object({ namespace: filled, name: filled });
const bind: Check = (value, path) => {
  const isPath = typeof value === "object" && value !== null && "path" in value;
  object(isPath ? { path: filled, mode: octal } : { host: filled, port })(value, path);
};
const octal: Check = (value, path) => {
  if (typeof value !== "string" || !/^[0-7]{0,4}$/.test(value)) bad(path, "an octal mode", value);
};
const instanceId: Check = (value, path) => {
  if (typeof value !== "string" || !/^[\x21-\x7e]{1,255}$/.test(value)) bad(path, "1 to 255 visible characters", value);
};

const snapshot = object({
  version: integer(0, Number.MAX_SAFE_INTEGER),
  node: filled,
  trustDomain: filled,
  rootsPem: list(filled),
  inbound: object({ host: filled, port }),
  identities: list(object({
    service, spiffeId: filled, chainPem: filled, keyPem: filled, notAfterMs: integer(0, Number.MAX_SAFE_INTEGER),
  })),
  locals: list(object({
    service,
    protocol,
    instances: list(object({ id: instanceId, address: text, port, ready: flag, draining: flag })),
    intentions: list(object({ source: name, destination: name, action: oneOf("allow", "deny") })),
  })),
  outbounds: list(object({
    key: filled,
    source: service,
    destination: service,
    bind,
    protocol,
    balance: oneOf("round_robin", "least_request"),
    connectTimeoutMs: integer(1, 600_000),
    endpoints: list(object({
      id: instanceId, node: filled, host: filled, port, weight: integer(0, 65_535), healthy: flag,
    })),
  })),
});

/** Throws INVALID_CONFIG with the path of the first field that is not what it must be. */
export function checkSnapshot(value: unknown): ProxySnapshot {
  snapshot(value, "");
  const checked = value as ProxySnapshot;
  const keys = new Set<string>();
  for (const { key } of checked.outbounds) {
    if (keys.has(key)) throw new MeshError("INVALID_CONFIG", `snapshot: outbounds has ${key} twice`, { where: key });
    keys.add(key);
  }
  return checked;
}
