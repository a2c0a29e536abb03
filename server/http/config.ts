import { randomUUID } from "node:crypto";
import { MeshError } from "../../core/base/errors.ts";
import type { IntentionInput } from "../../core/catalog/commands.ts";
import type { Intention } from "../../core/model/intention.ts";
import type { IntentionDraft } from "../../core/model/intention-parse.ts";
import { MESH_API_VERSION, type ParsedResources, parseResources, RESOURCE_KINDS } from "../../core/model/resource.ts";
import { type ApiRequest, type ApiResponse, jsonResponse } from "../../io/api/router.ts";
import type { Access } from "../access.ts";
import { propose, type ServerContext } from "../context.ts";
import { guarded, type GuardedRoute, list, readOf, writeOf } from "./query.ts";

/**
 * Configuration documents. `GET /v1/mesh/config[/:kind[/:namespace/:name]]` gives documents as they were applied,
 * `POST /v1/mesh/apply` takes several (YAML or JSON), all or nothing. Intentions are documents here too, though they
 * live in their own table: their name is their id, their namespace the called one's.
 */
export function configRoutes(context: ServerContext): GuardedRoute[] {
  const listOf = (req: ApiRequest, kind: string | undefined): Promise<ApiResponse> => list(context, req, {
    topics: ["resources", "intentions"],
    read: (access) => documents(context, access).filter((d) => kind === undefined || d.kind === kind),
  });
  return [
    guarded(context, "POST /v1/mesh/apply", (req, access) => apply(context, req, access)),
    guarded(context, "GET /v1/mesh/config", (req) => listOf(req, undefined)),
    guarded(context, "GET /v1/mesh/config/:kind", (req) => listOf(req, knownKind(req))),
    guarded(context, "GET /v1/mesh/config/:kind/:namespace/:name", (req) => {
      const { kind, namespace, name } = keyOf(req);
      return list(context, req, {
        topics: ["resources", "intentions"],
        need: readOf(namespace),
        read: (access) => {
          const found = documents(context, access)
            .find((d) => d.kind === kind && d.metadata.namespace === namespace && d.metadata.name === name);
          if (found === undefined) throw new MeshError("NOT_FOUND", `there is no ${kind} ${namespace}/${name}`);
          return found;
        },
      });
    }),
    guarded(context, "PUT /v1/mesh/config/:kind/:namespace/:name", (req, access) => put(context, req, access)),
    guarded(context, "DELETE /v1/mesh/config/:kind/:namespace/:name", (req, access) => remove(context, req, access)),
  ];
}

interface ResourceDocument {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: object;
}

function documents({ catalog }: ServerContext, access: Access): ResourceDocument[] {
  return [
    ...catalog.resources().map((resource) => resource.document as ResourceDocument),
    ...catalog.intentions().map(intentionDocument),
  ].filter((d) => access.can(readOf(d.metadata.namespace)));
}

function intentionDocument({ id, source, destination, action, description, meta }: Intention): ResourceDocument {
  return {
    apiVersion: MESH_API_VERSION,
    kind: "Intention",
    metadata: { namespace: destination.namespace, name: id },
    spec: { source, destination, action, description, meta },
  };
}

function knownKind(req: ApiRequest): string {
  const kind = req.params["kind"]!;
  if (RESOURCE_KINDS.includes(kind)) return kind;
  throw new MeshError("NOT_BUILT", `kind "${kind}" is not offered by this version`, {
    fix: `kinds of this version: ${RESOURCE_KINDS.join(", ")}`,
  });
}

function keyOf(req: ApiRequest): { kind: string; namespace: string; name: string } {
  return { kind: knownKind(req), namespace: req.params["namespace"]!, name: req.params["name"]! };
}

async function parseBody(req: ApiRequest, namespace?: string): Promise<ParsedResources> {
  const text = (await req.body()).toString();
  if (text.trim() === "") throw new MeshError("INVALID_RESOURCE", "the request has no document");
  return parseResources(text, { file: "request body", ...(namespace === undefined ? {} : { namespace }) });
}

const inputOf = (draft: IntentionDraft): IntentionInput => ({ ...draft, id: draft.id ?? randomUUID() });

async function apply(context: ServerContext, req: ApiRequest, access: Access): Promise<ApiResponse> {
  // Reading a large document holds up everybody: not for a token that may write nowhere.
  if (!access.roles.some((role) => role === "management" || role.startsWith("write:"))) access.require(writeOf("*"));
  const { resources, intentions, warnings } = await parseBody(req, req.query.get("ns") ?? undefined);
  for (const { namespace } of resources) access.require(writeOf(namespace));
  for (const { destination } of intentions) access.require(writeOf(destination.namespace));
  const command = { type: "resource.apply", resources, intentions: intentions.map(inputOf) } as const;
  const { index } = await propose(context, command, access);
  const applied = [
    ...resources.map(({ kind, namespace, name }) => ({ kind, namespace, name })),
    ...intentions.map(({ source, destination }) => ({ kind: "Intention", source, destination })),
  ];
  return jsonResponse({ index, applied, warnings });
}

/** One document, whose kind and names must be those of the path. */
async function put(context: ServerContext, req: ApiRequest, access: Access): Promise<ApiResponse> {
  const { kind, namespace, name } = keyOf(req);
  access.require(writeOf(namespace));
  const { resources, intentions, warnings } = await parseBody(req, namespace);
  const [resource] = resources;
  if (kind === "Intention") {
    const [draft] = intentions;
    const single = intentions.length + resources.length === 1;
    if (draft === undefined || !single || draft.destination.namespace !== namespace) throw mismatch(req);
    const intention = { ...inputOf(draft), id: name };
    const { index } = await propose(context, { type: "intention.put", intention }, access);
    return jsonResponse({ index, warnings });
  }
  const same = resource?.kind === kind && resource.namespace === namespace && resource.name === name;
  if (!same || intentions.length + resources.length !== 1) throw mismatch(req);
  const { index } = await propose(context, { type: "resource.put", resource, ...casOf(req) }, access);
  return jsonResponse({ index, warnings });
}

const mismatch = (req: ApiRequest): MeshError =>
  new MeshError("INVALID_RESOURCE", `the body is not the one document that ${req.path} names`, {
    fix: "use POST /v1/mesh/apply for several documents",
  });

async function remove(context: ServerContext, req: ApiRequest, access: Access): Promise<ApiResponse> {
  const key = keyOf(req);
  access.require(writeOf(key.namespace));
  if (key.kind === "Intention") {
    const found = context.catalog.intention(key.name);
    // The path's namespace was checked above; another one must not be reached through it.
    if (found !== undefined && found.destination.namespace === key.namespace) {
      const { source, destination } = found;
      await propose(context, { type: "intention.delete", source, destination }, access);
    }
  } else await propose(context, { type: "resource.delete", resource: key, ...casOf(req) }, access);
  return jsonResponse(true);
}

/** `?cas=<modify index>`: only if nobody changed it since; 0: only if it is new. */
function casOf(req: ApiRequest): { cas?: number } {
  const text = req.query.get("cas");
  if (text === null) return {};
  if (!/^\d{1,15}$/.test(text)) throw new MeshError("INVALID", `cas=${text} is not an index`);
  return { cas: Number(text) };
}
