import { MeshError } from "../../core/base/errors.ts";
import { checkShape, healthService, serviceChecks } from "../../core/catalog/consul-shapes.ts";
import { healthTopic } from "../../core/catalog/topics.ts";
import type { CheckRecord } from "../../core/model/catalog.ts";
import type { ApiRequest, ApiResponse } from "../../io/api/router.ts";
import type { Access } from "../access.ts";
import type { ServerContext } from "../context.ts";
import { filterOf, guarded, type GuardedRoute, list, namespaceOf, readOf } from "./query.ts";

const STATES = ["any", "passing", "warning", "critical"];

/** `/v1/health/…` in Consul's shapes. */
export function healthRoutes(context: ServerContext): GuardedRoute[] {
  const { catalog } = context;
  return [
    guarded(context, "GET /v1/health/service/:name", (req) => entries(context, req, { connect: false })),
    guarded(context, "GET /v1/health/connect/:name", (req) => entries(context, req, { connect: true })),
    guarded(context, "GET /v1/health/node/:node", (req) => list(context, req, {
      topics: ["checks", "instances"],
      read: (access) => readableChecks(context, access, catalog.checksOn(req.params["node"]!)),
    })),
    guarded(context, "GET /v1/health/checks/:service", (req) => {
      const namespace = namespaceOf(req);
      const name = req.params["service"]!;
      return list(context, req, {
        topics: [healthTopic(namespace, name)],
        need: readOf(namespace),
        read: () => serviceChecks(catalog, namespace, name),
      });
    }),
    guarded(context, "GET /v1/health/state/:state", (req) => {
      const state = req.params["state"]!;
      if (!STATES.includes(state)) {
        throw new MeshError("INVALID", `"${state}" is not a state`, { fix: `use ${STATES.join(", ")}` });
      }
      return list(context, req, {
        topics: ["checks", "instances"],
        read: (access) => readableChecks(
          context, access, catalog.checks().filter((check) => state === "any" || check.status === state)),
      });
    }),
  ];
}

/** Checks of nodes are for every token, those of services for who may read their namespace. */
function readableChecks({ catalog }: ServerContext, access: Access, checks: readonly CheckRecord[]): object[] {
  return checks.flatMap((check) => {
    const instance = check.instanceId === "" ? undefined : catalog.instance(check.node, check.instanceId);
    return instance === undefined || access.can(readOf(instance.namespace)) ? [checkShape(check, instance)] : [];
  });
}

/** Node, service and checks of each instance; `?passing` leaves out those with a check that does not pass. */
function entries(context: ServerContext, req: ApiRequest, { connect }: { connect: boolean }): Promise<ApiResponse> {
  const service = { namespace: namespaceOf(req), name: req.params["name"]! };
  const passing = req.query.has("passing") && !["false", "0"].includes(req.query.get("passing")!);
  return list(context, req, {
    topics: [healthTopic(service.namespace, service.name)],
    need: readOf(service.namespace),
    read: () => healthService(context.catalog, service, { ...filterOf(req), passing, connect }),
  });
}
