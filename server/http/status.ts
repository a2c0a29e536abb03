import { jsonResponse } from "../../io/api/router.ts";
import type { ServerContext } from "../context.ts";
import { type GuardedRoute, unguarded } from "./query.ts";

/** Exactly the four routes that need no token. */
export function statusRoutes(context: ServerContext, ownAddress: () => string): GuardedRoute[] {
  const { raft, catalog, node } = context;
  const addresses = (): readonly string[] => {
    const known = catalog.cluster()?.servers ?? [];
    return known.length > 0 ? known : [ownAddress()];
  };
  const leader = (): string => {
    const { leader } = raft.status();
    return leader === undefined ? "" : leader === node ? ownAddress() : leader;
  };
  const checks = (): [name: string, ok: boolean, detail: string][] => {
    const { leader, state, appliedIndex, commitIndex } = raft.status();
    return [
      ["raft", leader !== undefined, `${state}, leader ${leader ?? "none"}, applied ${appliedIndex} of ${commitIndex}`],
      ["cluster", catalog.cluster() !== undefined, catalog.cluster()?.clusterId ?? "not born yet"],
      ["ca", catalog.roots().some((root) => root.active), `${catalog.roots().length} roots`],
    ];
  };
  return [
    unguarded("open", "GET /v1/status/leader", () => jsonResponse(leader())),
    unguarded("open", "GET /v1/status/peers", () => jsonResponse(addresses())),
    unguarded("open", "GET /healthz", () => ({ status: 200, body: "ok\n" })),
    unguarded("open", "GET /readyz", (req) => {
      const results = checks();
      const ready = results.every(([, ok]) => ok);
      const lines = results
        .map(([name, ok, detail]) => `[${ok ? "+" : "-"}]${name} ${ok ? "ok" : "failed"}: ${detail}`);
      const verbose = req.query.has("verbose") || !ready;
      const text = `${verbose ? `${lines.join("\n")}\n` : ""}${ready ? "ok" : "not ready"}\n`;
      return { status: ready ? 200 : 503, body: text };
    }),
  ];
}
