import type { Admission } from "../admit.ts";
import { join } from "../join.ts";
import type { ServerContext } from "../context.ts";
import type { RateLimiter } from "../rate-limit.ts";
import { renewExpired } from "../renew.ts";
import { createTicket } from "../tickets.ts";
import { aclRoutes } from "./acl.ts";
import { agentOnlyRoutes } from "./agent-only.ts";
import { catalogRoutes } from "./catalog.ts";
import { configRoutes } from "./config.ts";
import { connectRoutes } from "./connect.ts";
import { healthRoutes } from "./health.ts";
import { intentionRoutes } from "./intentions.ts";
import { meshRoutes } from "./mesh.ts";
import { metricsRoutes } from "./metrics.ts";
import { type GuardedRoute, unguarded } from "./query.ts";
import { statusRoutes } from "./status.ts";
import { unbuiltRoutes } from "./unbuilt.ts";

export interface RouteOptions {
  readonly context: ServerContext & { readonly signing: RateLimiter };
  readonly joining: RateLimiter;
  readonly admission: Admission;
  /** This server's gRPC address as others use it. */
  readonly grpcAddress: () => string;
  /** `host:port` of the servers that redeem tickets. */
  readonly httpsAddresses: () => readonly string[];
}

/** The whole HTTP API of a server. */
export function apiRoutes(options: RouteOptions): GuardedRoute[] {
  const { context, joining, admission, grpcAddress, httpsAddresses } = options;
  return [
    ...statusRoutes(context, grpcAddress),
    unguarded("proof", "POST /v1/mesh/join", (req) => join(context, joining, req)),
    unguarded("proof", "POST /v1/mesh/renew", (req) => renewExpired({ context, limiter: joining, admission }, req)),
    ...catalogRoutes(context),
    ...healthRoutes(context),
    ...connectRoutes(context),
    ...intentionRoutes(context),
    ...configRoutes(context),
    ...aclRoutes(context, (request) => createTicket(context, httpsAddresses(), request)),
    ...meshRoutes(context),
    ...metricsRoutes(context),
    ...agentOnlyRoutes(context),
    ...unbuiltRoutes(context),
  ];
}
