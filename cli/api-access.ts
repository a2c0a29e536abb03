/** Endpoints of certificates, tokens, tickets and configuration documents (cli/api.ts has the others). */
import type { ServiceName } from "../core/model/names.ts";
import type { ApiClient } from "../io/client.ts";
import { path } from "./api.ts";

export interface RootEntry {
  readonly ID: string;
  readonly Name: string;
  readonly RootCert: string;
  readonly Active: boolean;
  readonly NotBefore: string;
  readonly NotAfter: string;
}

export interface Roots {
  readonly TrustDomain: string;
  readonly ActiveRootID: string;
  readonly Roots: readonly RootEntry[];
}

export async function caRoots(client: ApiClient): Promise<Roots> {
  return (await client.json("GET", "/v1/connect/ca/roots")) as Roots;
}

export interface IssuedCertificate {
  readonly chain_pem: string;
  readonly roots_pem: readonly string[];
  readonly spiffe_id: string;
  readonly not_after: string;
}

export async function issueCertificate(
  client: ApiClient, request: { namespace: string; service: string; csr: string; ttl?: string },
): Promise<IssuedCertificate> {
  return (await client.json("POST", "/v1/mesh/ca/issue", { body: request })) as IssuedCertificate;
}

export interface TokenEntry {
  readonly AccessorID: string;
  readonly SecretID?: string;
  readonly Description: string;
  readonly Roles: readonly string[];
  readonly CreateTime: string;
  readonly ExpirationTime?: string;
}

export async function tokens(client: ApiClient): Promise<readonly TokenEntry[]> {
  return (await client.json("GET", "/v1/acl/tokens")) as TokenEntry[];
}

export async function createToken(
  client: ApiClient, request: { Roles: readonly string[]; Description: string; ExpirationTTL?: string },
): Promise<TokenEntry> {
  return (await client.json("PUT", "/v1/acl/token", { body: request })) as TokenEntry;
}

export async function deleteToken(client: ApiClient, accessor: string): Promise<void> {
  await client.json("DELETE", `/v1/acl/token${path(accessor)}`);
}

export interface TicketEntry {
  readonly id: string;
  readonly role: string;
  readonly node?: string;
  readonly allow: readonly string[];
  readonly created: string;
  readonly expires: string;
  readonly state: string;
  readonly used_by?: string;
}

export async function tickets(client: ApiClient): Promise<readonly TicketEntry[]> {
  return (await client.json("GET", "/v1/mesh/acl/tickets")) as TicketEntry[];
}

export async function createTicket(
  client: ApiClient, request: { role: string; node?: string; allow: readonly string[]; ttl?: string },
): Promise<{ id: string; ticket: string; expires: string }> {
  const made = await client.json("POST", "/v1/mesh/acl/tickets", { body: request });
  return made as { id: string; ticket: string; expires: string };
}

export async function deleteTicket(client: ApiClient, id: string): Promise<void> {
  await client.json("DELETE", `/v1/mesh/acl/tickets${path(id)}`);
}

/** Adds to what the host may be; the answer is all that it may be now. */
export async function allowNode(
  client: ApiClient, node: string, allow: readonly string[],
): Promise<{ node: string; allow: readonly string[] }> {
  const changed = await client.json("PUT", `/v1/mesh/acl/node${path(node)}/allow`, { body: { allow } });
  return changed as { node: string; allow: string[] };
}

export interface ResourceDocument {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: object;
}

export async function applyDocuments(
  client: ApiClient, text: string, namespace: string,
): Promise<{ index: number; applied: readonly AppliedResource[]; warnings: readonly string[] }> {
  const options = { body: text, contentType: "application/yaml", query: { ns: namespace } };
  const answer = await client.json("POST", "/v1/mesh/apply", options);
  return answer as { index: number; applied: AppliedResource[]; warnings: string[] };
}

export interface AppliedResource {
  readonly kind: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly source?: ServiceName;
  readonly destination?: ServiceName;
}

export async function documents(client: ApiClient, kind?: string): Promise<readonly ResourceDocument[]> {
  return (await client.json("GET", `/v1/mesh/config${kind === undefined ? "" : path(kind)}`)) as ResourceDocument[];
}

export async function document(client: ApiClient, kind: string, service: ServiceName): Promise<ResourceDocument> {
  const at = path(kind, service.namespace, service.name);
  return (await client.json("GET", `/v1/mesh/config${at}`)) as ResourceDocument;
}

export async function deleteDocument(client: ApiClient, kind: string, service: ServiceName): Promise<void> {
  await client.json("DELETE", `/v1/mesh/config${path(kind, service.namespace, service.name)}`);
}
