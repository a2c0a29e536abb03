/**
 * SPIFFE IDs of this mesh and the server names that go with them.
 *
 *   service  spiffe://<trust domain>/ns/<namespace>/sa/<name>     SNI and DNS SAN <name>.<namespace>.svc.<trust domain>
 *   host     spiffe://<trust domain>/node/<node>
 *   server   spiffe://<trust domain>/server/<node>                DNS SAN server.<trust domain>
 *
 * Grammar: SPIFFE-ID.md sections 2.1 to 2.4. What the grammar does not accept byte for byte is no ID: nothing is
 * folded, decoded or trimmed, so that two spellings can never name one identity.
 */
import { MeshError } from "../base/errors.ts";
import { DEFAULT_NAMESPACE, isLabel } from "./names.ts";
import type { ServiceName } from "./names.ts";

export type ParsedSpiffeId =
  | { readonly trustDomain: string; readonly kind: "service"; readonly namespace: string; readonly name: string }
  | { readonly trustDomain: string; readonly kind: "node" | "server"; readonly name: string };

const SCHEME = "spiffe://";
/** SPIFFE-ID.md 2.3: 2,048 bytes at most, of which the trust domain has 255. */
const ID_LENGTH_MAX = 2048;
const TRUST_DOMAIN_LENGTH_MAX = 255;
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const SEGMENT = /^[a-zA-Z0-9._-]+$/;
/** `<name>.<namespace>.svc.<trust domain>` must fit into the 253 characters of a DNS name. */
const OWN_TRUST_DOMAIN_LENGTH_MAX = 120;
const NODE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,126}[a-zA-Z0-9])?$/;

/** A host's name as it stands in its SPIFFE ID: letters, digits, `.`, `_`, `-` inside, 128 at most. */
export const isNodeName = (text: string): boolean => NODE_NAME.test(text);

/** A trust domain that can also be the end of a DNS name: dot-separated labels, 120 characters at most. */
export const isTrustDomain = (text: string): boolean =>
  text.length <= OWN_TRUST_DOMAIN_LENGTH_MAX && text.split(".").every(isLabel);

/** Splits any valid SPIFFE ID, whosever it is; undefined when the grammar refuses it. */
export function splitSpiffeId(uri: string): { trustDomain: string; path: readonly string[] } | undefined {
  if (!uri.startsWith(SCHEME) || uri.length > ID_LENGTH_MAX) return undefined;
  const [trustDomain, ...path] = uri.slice(SCHEME.length).split("/");
  if (trustDomain === undefined || !TRUST_DOMAIN.test(trustDomain)) return undefined;
  if (trustDomain.length > TRUST_DOMAIN_LENGTH_MAX) return undefined;
  if (!path.every((segment) => SEGMENT.test(segment) && segment !== "." && segment !== "..")) return undefined;
  return { trustDomain, path };
}

/** Reads an ID of one of the mesh's own forms; undefined for any other text. */
export function parseSpiffeId(uri: string): ParsedSpiffeId | undefined {
  const split = splitSpiffeId(uri);
  if (split === undefined) return undefined;
  const { trustDomain, path } = split;
  const [first, second, third, fourth] = path;
  if (path.length === 4 && first === "ns" && third === "sa" && isLabel(second!) && isLabel(fourth!)) {
    return { trustDomain, kind: "service", namespace: second!, name: fourth! };
  }
  if (path.length === 2 && (first === "node" || first === "server") && isNodeName(second!)) {
    return { trustDomain, kind: first, name: second! };
  }
  return undefined;
}

function checked(id: string, what: string): string {
  if (parseSpiffeId(id) !== undefined) return id;
  throw new MeshError("INVALID", `${what} cannot be written as a SPIFFE ID (${JSON.stringify(id)})`, {
    fix: "use lower case letters, digits and hyphens; a host's name may have dots and underscores too",
  });
}

/** Throws INVALID when a name does not fit. */
export const serviceSpiffeId = (trustDomain: string, service: ServiceName): string =>
  checked(`${SCHEME}${trustDomain}/ns/${service.namespace}/sa/${service.name}`, "the service's name");

/** Throws INVALID when a name does not fit. */
export const nodeSpiffeId = (trustDomain: string, node: string): string =>
  checked(`${SCHEME}${trustDomain}/node/${node}`, "the host's name");

/** Throws INVALID when a name does not fit. */
export const serverSpiffeId = (trustDomain: string, node: string): string =>
  checked(`${SCHEME}${trustDomain}/server/${node}`, "the server's name");

/** The ID of the trust domain itself: what a root certificate carries. */
export const trustDomainId = (trustDomain: string): string => `${SCHEME}${trustDomain}`;

/** The server name that a caller puts into its ClientHello. */
export const serviceSni = (trustDomain: string, service: ServiceName): string =>
  `${service.name}.${service.namespace}.svc.${trustDomain}`;

/** What every server's certificate answers to, whatever its address: the gRPC and HTTPS target name. */
export const serverSni = (trustDomain: string): string => `server.${trustDomain}`;

/** The service that an SNI names: the full name, or a short one in the default namespace. Case does not count. */
export function parseSni(sni: string, trustDomain: string): ServiceName | undefined {
  const lower = sni.toLowerCase();
  if (isLabel(lower)) return { namespace: DEFAULT_NAMESPACE, name: lower };
  const suffix = `.svc.${trustDomain}`;
  if (!lower.endsWith(suffix)) return undefined;
  const [name, namespace, ...more] = lower.slice(0, -suffix.length).split(".");
  if (name === undefined || namespace === undefined || more.length > 0) return undefined;
  return isLabel(name) && isLabel(namespace) ? { namespace, name } : undefined;
}
