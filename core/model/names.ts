import { MeshError } from "../base/errors.ts";

/** A service's full name. Its key is `<namespace>/<name>`. */
export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

export const DEFAULT_NAMESPACE = "default";

/** DNS puts these in the namespace's place (`web.service.mesh`), so no namespace may be called so. */
export const RESERVED_NAMESPACES: readonly string[] = [
  "service", "node", "query", "virtual", "connect", "ingress", "ns", "dc", "peer", "tag", "addr",
];

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A DNS label: lower case letters, digits and inner hyphens, 63 at most. */
export const isLabel = (text: string): boolean => LABEL.test(text);

export const serviceKey = (service: ServiceName): string => `${service.namespace}/${service.name}`;

/** `web` or `ns/web`; throws INVALID with the reason. */
export function parseServiceName(text: string, namespace = DEFAULT_NAMESPACE): ServiceName {
  const parts = text.split("/");
  const service = parts.length === 2
    ? { namespace: parts[0]!, name: parts[1]! }
    : { namespace, name: text };
  if (parts.length > 2 || !isLabel(service.name) || !isLabel(service.namespace)) {
    throw new MeshError("INVALID", `"${text}" is not a service name`, {
      fix: "use NAME or NAMESPACE/NAME: lower case letters, digits and hyphens, at most 63 characters each",
    });
  }
  if (RESERVED_NAMESPACES.includes(service.namespace)) {
    throw new MeshError("INVALID", `"${service.namespace}" cannot be a namespace: DNS names use the word`, {
      fix: "choose another namespace",
    });
  }
  return service;
}
