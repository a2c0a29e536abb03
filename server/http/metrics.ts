import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { MeshError } from "../../core/base/errors.ts";
import type { ApiRequest, ApiResponse } from "../../io/api/router.ts";
import type { ServerContext } from "../context.ts";
import { guarded, type GuardedRoute } from "./query.ts";

/** `GET /v1/agent/metrics?format=prometheus` of a server: its process, the log, the catalog's size. */
export function metricsRoutes(context: ServerContext): GuardedRoute[] {
  // Made at the first scrape: a server that nobody scrapes pays nothing for it.
  let registry: Registry | undefined;
  return [
    guarded(context, "GET /v1/agent/metrics", async (req: ApiRequest): Promise<ApiResponse> => {
      if (req.query.get("format") !== "prometheus") {
        throw new MeshError("INVALID", "metrics are offered in Prometheus' format", { fix: "?format=prometheus" });
      }
      registry ??= createRegistry(context);
      return { status: 200, headers: { "content-type": registry.contentType }, body: await registry.metrics() };
    }),
  ];
}

function createRegistry({ raft, catalog, telemetry, node }: ServerContext): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, value: () => number): void => {
    const made: Gauge = new Gauge({ name, help, registers: [registry], collect: () => made.set(value()) });
  };
  gauge("mesh_raft_leader", "1 while this server leads", () => (raft.status().leader === node ? 1 : 0));
  gauge("mesh_raft_term", "Raft's term", () => raft.status().term);
  gauge("mesh_raft_commit_index", "Last entry that a majority has", () => raft.status().commitIndex);
  gauge("mesh_raft_applied_index", "Last entry that is in the catalog", () => raft.status().appliedIndex);
  gauge("mesh_catalog_nodes", "Hosts", () => catalog.nodes().length);
  gauge("mesh_catalog_services", "Services with instances", () => catalog.services().length);
  gauge("mesh_catalog_intentions", "Intentions", () => catalog.intentions().length);
  gauge("mesh_telemetry_dropped_edges", "Reported edges beyond the limit of a slot", () => telemetry.droppedEdges);
  return registry;
}
