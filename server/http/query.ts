import type { Need } from "../../core/acl/roles.ts";
import { MeshError } from "../../core/base/errors.ts";
import type { ServiceFilter } from "../../core/catalog/consul-shapes.ts";
import { DEFAULT_NAMESPACE, isLabel } from "../../core/model/names.ts";
import { answerQuery } from "../../io/api/blocking.ts";
import type { ApiHandler, ApiRequest, ApiResponse, Route } from "../../io/api/router.ts";
import { type Access, authenticate } from "../access.ts";
import type { ServerContext } from "../context.ts";

/** How routes are declared: none of them can forget to ask for a token. */
export interface GuardedRoute extends Route {
  /** `token`: refused without a valid one. `open`: the four status routes. `proof`: a ticket or a certificate. */
  readonly guard: "token" | "open" | "proof";
}

export type GuardedHandler = (req: ApiRequest, access: Access) => Promise<ApiResponse> | ApiResponse;

/** A route that needs a token; `METHOD /path` and what to do with what the token grants. */
export function guarded(context: ServerContext, line: string, handler: GuardedHandler): GuardedRoute {
  const access = (req: ApiRequest): Access => authenticate(context.catalog, req.token, context.nowMs());
  const run = async (req: ApiRequest): Promise<ApiResponse> => {
    access(req);
    // A client may take a minute over its body: what counts is what the token grants after it.
    if (req.method !== "GET" && req.method !== "HEAD") await req.body();
    return handler(req, access(req));
  };
  return { ...parseLine(line), guard: "token", handler: run };
}

/** A route that needs none: open to all, or with a proof of its own in the body. */
export const unguarded = (guard: "open" | "proof", line: string, handler: ApiHandler): GuardedRoute =>
  ({ ...parseLine(line), guard, handler });

function parseLine(line: string): { method: string; path: string } {
  const [method, path] = line.split(" ") as [string, string];
  return { method, path };
}

export interface Listing {
  /** Tables and topics whose change is a change of the answer. */
  readonly topics: readonly string[];
  /** Checked before the wait and again before the answer (pitfall 53). */
  readonly need?: Need;
  /** Throws NOT_FOUND where Consul would. */
  readonly read: (access: Access) => unknown;
}

/**
 * A list or read with `index`, `wait`, `stale` and `consistent`. Without `stale` the state is at least as new as the
 * request (ReadIndex), whichever server answers; `stale` is what this one has. The token is looked up again after a
 * wait: one that was revoked meanwhile learns nothing more.
 */
export async function list(context: ServerContext, req: ApiRequest, listing: Listing): Promise<ApiResponse> {
  const { catalog, raft } = context;
  const { topics, need, read } = listing;
  const checkedAccess = (): Access => {
    const access = authenticate(catalog, req.token, context.nowMs());
    if (need !== undefined) access.require(need);
    return access;
  };
  checkedAccess();
  refuseUnknownOptions(context, req);
  if (!req.query.has("stale")) await raft.readIndex();
  return answerQuery(req, {
    index: () => Math.max(...topics.map((topic) => catalog.indexOf(topic))),
    subscribe: (wake) => catalog.onChange((_index, touched) => {
      if (topics.some((topic) => touched.has(topic))) wake();
    }),
    read: () => read(checkedAccess()),
    consistency: () => ({ knownLeader: raft.status().leader !== undefined, lastContactMs: 0 }),
    random: context.random,
  });
}

/** Options of Consul that would change the answer and that we do not have: refused instead of ignored. */
function refuseUnknownOptions(context: ServerContext, { query }: ApiRequest): void {
  if (query.has("filter")) {
    throw new MeshError("INVALID", "filter expressions are not supported", { fix: "filter the answer" });
  }
  const dc = query.get("dc");
  if (dc !== null && dc !== "" && dc !== context.datacenter) {
    const fix = `use dc=${context.datacenter}`;
    throw new MeshError("INVALID", `No path to datacenter: "${dc}" is not known`, { fix });
  }
}

/** `?ns=`, `default` when left out; `*` only where a list over all of them is offered. */
export function namespaceOf(req: ApiRequest, { wildcard = false }: { wildcard?: boolean } = {}): string {
  const namespace = req.query.get("ns") ?? "";
  if (namespace === "") return DEFAULT_NAMESPACE;
  if (isLabel(namespace) || (wildcard && namespace === "*")) return namespace;
  throw new MeshError("INVALID", `ns=${namespace} is not a namespace`);
}

/** `?tag=` and `?node-meta=key:value`, both repeatable. */
export function filterOf({ query }: ApiRequest): ServiceFilter {
  const nodeMeta = query.getAll("node-meta").map((pair) => {
    const colon = pair.indexOf(":");
    return colon < 0 ? [pair, ""] : [pair.slice(0, colon), pair.slice(colon + 1)];
  });
  return { tags: query.getAll("tag"), nodeMeta: Object.fromEntries(nodeMeta) as Record<string, string> };
}

export const readOf = (namespace: string): Need => ({ kind: "read", namespace });
export const writeOf = (namespace: string): Need => ({ kind: "write", namespace });
export const MANAGEMENT: Need = { kind: "management" };
