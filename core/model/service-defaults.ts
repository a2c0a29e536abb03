import type { ServiceDefaults } from "./catalog.ts";
import { parseDuration } from "./duration.ts";

/**
 * The compiled form of a stored ServiceDefaults document. It was validated before it was stored; what another version
 * stored and this one does not understand is left out, not guessed.
 */
export function serviceDefaultsOf(document: unknown): ServiceDefaults {
  const spec = (document as { spec?: Record<string, unknown> } | null)?.spec ?? {};
  const { protocol, balance, connect_timeout: timeout } = spec;
  const connectTimeoutMs = typeof timeout === "string" ? parseDuration(timeout) : undefined;
  return {
    ...(protocol === "http" || protocol === "tcp" || protocol === "auto" ? { protocol } : {}),
    ...(balance === "round_robin" || balance === "least_request" ? { balance } : {}),
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
  };
}
