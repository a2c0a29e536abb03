import { MeshError } from "../../core/base/errors.ts";
import type { ServerContext } from "../context.ts";
import { guarded, type GuardedRoute } from "./query.ts";

/** What a host's agent answers about that host: asked of a server they say so, and not "did you mean". */
const AGENT_ONLY = [
  "GET /v1/agent/services", "GET /v1/agent/service/:id", "GET /v1/agent/checks",
  "PUT /v1/agent/service/register", "PUT /v1/agent/service/deregister/:id", "PUT /v1/agent/service/maintenance/:id",
  "PUT /v1/agent/check/pass/:id", "PUT /v1/agent/check/warn/:id", "PUT /v1/agent/check/fail/:id",
  "PUT /v1/agent/check/update/:id", "PUT /v1/agent/reload",
  "GET /v1/mesh/status", "GET /v1/mesh/proxy-config/:section",
];

export const agentOnlyRoutes = (context: ServerContext): GuardedRoute[] => AGENT_ONLY.map((line) =>
  guarded(context, line, () => {
    throw new MeshError("NOT_FOUND", "this is a server: what is about one host, its agent answers", {
      fix: "set MESH_HTTP_ADDR to an agent's address (http://127.0.0.1:8500 on its host), or unix:PATH of its socket",
    });
  }));
