import { MeshError } from "../../core/base/errors.ts";
import { comparePatterns, compilePattern, matchPattern, nearestPath, type Pattern } from "./match.ts";
import type { ApiHandler, Route } from "./types.ts";

export interface Found {
  readonly handler: ApiHandler;
  readonly params: Readonly<Record<string, string>>;
}

/** Finds routes by method and path. */
export class RouteTable {
  readonly #entries: readonly { readonly pattern: Pattern; readonly methods: ReadonlyMap<string, ApiHandler> }[];

  constructor(routes: readonly Route[]) {
    const byPath = new Map<string, Map<string, ApiHandler>>();
    for (const route of routes) {
      const methods = byPath.get(route.path) ?? new Map<string, ApiHandler>();
      methods.set(route.method, route.handler);
      byPath.set(route.path, methods);
    }
    this.#entries = [...byPath]
      .map(([path, methods]) => ({ pattern: compilePattern(path), methods }))
      .sort((a, b) => comparePatterns(a.pattern, b.pattern));
  }

  /** Undefined when no path matches; throws METHOD_NOT_ALLOWED when one does, for other methods only. */
  find(method: string, parts: readonly string[]): Found | undefined {
    const wanted = method === "HEAD" ? "GET" : method;
    const allowed = new Set<string>();
    for (const { pattern, methods } of this.#entries) {
      const params = matchPattern(pattern, parts);
      if (params === undefined) continue;
      const handler = methods.get(wanted);
      if (handler !== undefined) return { handler, params };
      for (const name of methods.keys()) allowed.add(name);
    }
    if (allowed.size === 0) return undefined;
    throw new MeshError("METHOD_NOT_ALLOWED", `${method} is not offered here`, {
      fix: `use ${[...allowed].sort().join(", ")}`,
    });
  }

  notFound(path: string, parts: readonly string[]): MeshError {
    const near = nearestPath(parts, this.#entries.map((entry) => entry.pattern));
    const details = near === undefined ? {} : { fix: `did you mean ${near} ?` };
    return new MeshError("NOT_FOUND", `there is no ${path}`, details);
  }
}
