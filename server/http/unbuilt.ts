import { MeshError } from "../../core/base/errors.ts";
import type { ServerContext } from "../context.ts";
import { guarded, type GuardedRoute } from "./query.ts";

/** Designed, not built: they say so instead of looking like a typing mistake. */
const UNBUILT = [
  "GET /v1/mesh/trace/:id",
  "GET /v1/acl/policies", "PUT /v1/acl/policy", "GET /v1/acl/policy/:id", "PUT /v1/acl/bootstrap",
  "PUT /v1/connect/ca/configuration", "GET /v1/connect/ca/configuration", "POST /v1/mesh/ca/rotate",
  "GET /v1/operator/raft/configuration", "DELETE /v1/operator/raft/peer", "POST /v1/operator/raft/transfer-leader",
  "GET /v1/operator/autopilot/configuration", "GET /v1/operator/autopilot/health",
  "GET /v1/snapshot", "PUT /v1/snapshot",
  "PUT /v1/session/create", "GET /v1/kv/*key", "PUT /v1/kv/*key", "GET /v1/event/list",
  "PUT /v1/catalog/register", "PUT /v1/catalog/deregister",
];

/** Consul's ways to what is done otherwise here. An agent forwards what it does not know: these answer for it too. */
const INSTEAD: Readonly<Record<string, string>> = {
  "GET /v1/agent/members": "GET /v1/mesh/nodes (mesh nodes) lists the hosts",
  "PUT /v1/agent/check/register": "put the check into its service's definition: PUT /v1/agent/service/register",
  "PUT /v1/agent/check/deregister/:id":
    "register the service again without the check: PUT /v1/agent/service/register",
  "PUT /v1/agent/maintenance":
    "PUT /v1/agent/service/maintenance/:id (mesh agent maint enable ID) for each service of the host",
};

export const unbuiltRoutes = (context: ServerContext): GuardedRoute[] => UNBUILT.map((line) =>
  guarded(context, line, () => {
    throw new MeshError("NOT_BUILT", `${line} is not offered by this version`);
  })).concat(Object.entries(INSTEAD).map(([line, fix]) => guarded(context, line, () => {
    throw new MeshError("NOT_BUILT", `${line} is not offered by this version`, { fix });
  })));
