import { randomUUID } from "node:crypto";
import { decide } from "../../core/authz/decide.ts";
import { covers } from "../../core/authz/precedence.ts";
import { MeshError } from "../../core/base/errors.ts";
import { intentionShape } from "../../core/catalog/consul-shapes.ts";
import { intentionsTopic } from "../../core/catalog/topics.ts";
import type { Intention } from "../../core/model/intention.ts";
import { parseIntentionBody, parseIntentionSide } from "../../core/model/intention-parse.ts";
import { parseServiceName, type ServiceName, serviceKey } from "../../core/model/names.ts";
import { type ApiRequest, type ApiResponse, jsonResponse } from "../../io/api/router.ts";
import type { Access } from "../access.ts";
import { propose, type ServerContext } from "../context.ts";
import { guarded, type GuardedRoute, list, namespaceOf, readOf, writeOf } from "./query.ts";

/**
 * `/v1/connect/intentions` as in Consul. Who may read the caller's or the called one's namespace sees an intention; who
 * may write the called one's changes it.
 */
export function intentionRoutes(context: ServerContext): GuardedRoute[] {
  const { catalog } = context;
  return [
    guarded(context, "GET /v1/connect/intentions", (req) => list(context, req, {
      topics: ["intentions"],
      read: (access) => catalog.intentions().filter((i) => visible(access, i)).map(intentionShape),
    })),
    guarded(context, "GET /v1/connect/intentions/exact", (req) => {
      const { source, destination } = pairOf(req);
      return list(context, req, {
        topics: ["intentions"],
        read: (access) => {
          const found = catalog.intentionExact(source, destination);
          if (found !== undefined && visible(access, found)) return intentionShape(found);
          throw new MeshError("NOT_FOUND", `Intention not found: ${serviceKey(source)} to ${serviceKey(destination)}`, {
            fix: "mesh intention list",
          });
        },
      });
    }),
    guarded(context, "PUT /v1/connect/intentions/exact", (req, access) => put(context, req, access)),
    guarded(context, "DELETE /v1/connect/intentions/exact", async (req, access) => {
      const { source, destination } = pairOf(req);
      access.require(writeOf(destination.namespace));
      await propose(context, { type: "intention.delete", source, destination }, access);
      return jsonResponse(true);
    }),
    guarded(context, "GET /v1/connect/intentions/match", (req) => match(context, req)),
    guarded(context, "GET /v1/connect/intentions/check", (req) => check(context, req)),
  ];
}

const visible = (access: Access, { source, destination }: Intention): boolean =>
  access.can(readOf(destination.namespace)) || access.can(readOf(source.namespace));

interface Pair {
  readonly source: ServiceName;
  readonly destination: ServiceName;
}

function parameter(req: ApiRequest, name: string, fix: string): string {
  const value = req.query.get(name) ?? "";
  if (value === "") throw new MeshError("INVALID", `the parameter "${name}" is missing`, { fix });
  return value;
}

function pairOf(req: ApiRequest): Pair {
  const namespace = namespaceOf(req);
  const fix = "?source=web&destination=api";
  return {
    source: parseIntentionSide(parameter(req, "source", fix), namespace),
    destination: parseIntentionSide(parameter(req, "destination", fix), namespace),
  };
}

async function put(context: ServerContext, req: ApiRequest, access: Access): Promise<ApiResponse> {
  const pair = pairOf(req);
  access.require(writeOf(pair.destination.namespace));
  // Runs the checks that every JSON body goes through; the text itself is read again with its positions.
  await req.json();
  const { source, destination, action, description, meta } = parseIntentionBody((await req.body()).toString(), pair);
  await propose(context, {
    type: "intention.put", intention: { id: randomUUID(), source, destination, action, description, meta },
  }, access);
  return jsonResponse(true);
}

/** `?by=source|destination&name=…`, the name repeatable: per name what concerns it, in the order of evaluation. */
function match(context: ServerContext, req: ApiRequest): Promise<ApiResponse> {
  const by = parameter(req, "by", "?by=destination&name=api");
  if (by !== "source" && by !== "destination") {
    throw new MeshError("INVALID", `by=${by} is neither source nor destination`, { fix: "?by=destination&name=api" });
  }
  parameter(req, "name", "?by=destination&name=api");
  const names = req.query.getAll("name");
  const services = names.map((name) => parseServiceName(name, namespaceOf(req)));
  return list(context, req, {
    topics: by === "destination" ? services.map((s) => intentionsTopic(s.namespace, s.name)) : ["intentions"],
    read: (access) => Object.fromEntries(names.map((name, i) => [
      name,
      context.catalog.intentions()
        .filter((intention) => covers(intention[by], services[i]!) && visible(access, intention)).map(intentionShape),
    ])),
  });
}

/** May source call destination, and which intention says so. */
function check(context: ServerContext, req: ApiRequest): Promise<ApiResponse> {
  const namespace = namespaceOf(req);
  const fix = "?source=web&destination=api";
  const source = parseServiceName(parameter(req, "source", fix), namespace);
  const destination = parseServiceName(parameter(req, "destination", fix), namespace);
  return list(context, req, {
    topics: [intentionsTopic(destination.namespace, destination.name)],
    need: readOf(destination.namespace),
    read: () => {
      const verdict = decide(context.catalog.intentionsFor(destination), source, destination);
      const { allowed, reason, intention } = verdict;
      const shown = intention === undefined ? null : intentionShape(intention);
      return { Allowed: allowed, Reason: reason, Intention: shown };
    },
  });
}
