import { editDistance } from "../../core/base/nearest.ts";

/** Path patterns of the HTTP API: literal segments, `:name` for one segment, a trailing `*rest` for all that follow. */

export interface Pattern {
  readonly path: string;
  readonly segments: readonly Segment[];
}

type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "param" | "rest"; readonly name: string };

export function compilePattern(path: string): Pattern {
  const segments = path.split("/").slice(1).map((text): Segment => {
    if (text.startsWith(":")) return { kind: "param", name: text.slice(1) };
    if (text.startsWith("*")) return { kind: "rest", name: text.slice(1) };
    return { kind: "literal", text };
  });
  return { path, segments };
}

/** Splits a request's path and decodes each segment; undefined for a broken escape or a NUL. */
export function splitPath(path: string): string[] | undefined {
  const out: string[] = [];
  for (const raw of path.split("/").slice(1)) {
    let text: string;
    try {
      text = decodeURIComponent(raw);
    } catch {
      return undefined;
    }
    if (text.includes("\0")) return undefined;
    out.push(text);
  }
  // A trailing slash means the same as none.
  if (out.length > 1 && out.at(-1) === "") out.pop();
  return out;
}

/** The parameters when the pattern matches, else undefined. An empty segment never fills a `:name`. */
export function matchPattern(pattern: Pattern, parts: readonly string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  for (const [i, segment] of pattern.segments.entries()) {
    if (segment.kind === "rest") {
      params[segment.name] = parts.slice(i).join("/");
      return params;
    }
    const part = parts[i];
    if (part === undefined) return undefined;
    if (segment.kind === "literal") {
      if (part !== segment.text) return undefined;
    } else {
      if (part === "") return undefined;
      params[segment.name] = part;
    }
  }
  return parts.length === pattern.segments.length ? params : undefined;
}

/** Sorts so that the first match is the most literal one: `/exact` before `/:id` before `*rest`. */
export function comparePatterns(a: Pattern, b: Pattern): number {
  const rank = { literal: 0, param: 1, rest: 2 };
  const size = Math.min(a.segments.length, b.segments.length);
  for (let i = 0; i < size; i++) {
    const order = rank[a.segments[i]!.kind] - rank[b.segments[i]!.kind];
    if (order !== 0) return order;
  }
  return b.segments.length - a.segments.length;
}

/** The known path that looks most like the one asked for; undefined when none is near. */
export function nearestPath(parts: readonly string[], patterns: readonly Pattern[]): string | undefined {
  let best: string | undefined;
  let bestCost = Math.max(3, Math.ceil(parts.join("/").length / 3)) + 1;
  for (const pattern of patterns) {
    if (pattern.segments.some((s) => s.kind === "rest")) continue; // it would look like anything
    const filled = pattern.segments.map((s, i) => (s.kind === "literal" ? s.text : (parts[i] ?? "x")));
    const cost = editDistance(parts.join("/").slice(0, 200), filled.join("/"));
    if (cost < bestCost) {
      bestCost = cost;
      best = pattern.path;
    }
  }
  return best;
}
