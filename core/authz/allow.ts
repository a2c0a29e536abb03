import { MeshError } from "../base/errors.ts";
import { isLabel } from "../model/names.ts";
import type { ServiceName } from "../model/names.ts";

/** Whether a host with these patterns (`ns/service`, `ns/*` or `*`) may be the service. */
export function allows(patterns: readonly string[], service: ServiceName): boolean {
  const exact = `${service.namespace}/${service.name}`;
  const whole = `${service.namespace}/*`;
  return patterns.some((p) => p === "*" || p === whole || p === exact);
}

/** `service`, `ns/service`, `ns/*` or `*` to the stored form; throws INVALID. */
export function parseAllow(text: string, namespace = "default"): string {
  if (text === "*" || text === "*/*") return "*";
  const parts = text.split("/");
  const [ns, name] = parts.length === 1 ? [namespace, parts[0]!] : [parts[0]!, parts[1]!];
  if (parts.length > 2 || !isLabel(ns) || !(name === "*" || isLabel(name))) {
    throw new MeshError("INVALID", `"${text}" does not say what a host may be`, {
      fix: "use NAMESPACE/SERVICE, NAMESPACE/* or * (any service)",
    });
  }
  return `${ns}/${name}`;
}

/** The refusal that every gate gives, with the command that would permit it. */
export const notAllowedMessage = (node: string, service: ServiceName): { message: string; fix: string } => ({
  message: `node "${node}" may not be service ${service.namespace}/${service.name}`,
  fix: `mesh acl node allow ${node} ${service.namespace}/${service.name}`,
});
