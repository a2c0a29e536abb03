import { MeshError } from "../core/base/errors.ts";
import type { Args } from "./args.ts";

const SINCE_MS_DEFAULT = 300_000;
/** As long as the servers keep traffic (core/telemetry/topology.ts, KEPT_MS). */
const SINCE_MS_MAX = 3_600_000;

/** `--since` as the span that the API takes, which ends now. */
export function spanOf(args: Args): { readonly start: number; readonly end: number } {
  const end = Date.now();
  const sinceMs = args.durationMs("since") ?? SINCE_MS_DEFAULT;
  if (sinceMs > SINCE_MS_MAX) {
    throw new MeshError("USAGE", `--since ${args.text("since") ?? ""} goes back further than what is kept: 1h`, {
      fix: "--since 1h, or keep longer history by scraping /v1/agent/metrics?format=prometheus",
    });
  }
  return { start: end - sinceMs, end };
}
