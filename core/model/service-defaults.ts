import type { ServiceDefaults } from "./catalog.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `250ms`, `1.5s`, `1m30s` to milliseconds (rounded); undefined for anything else. */
export function durationMs(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) ms += Number(amount) * UNIT_MS[unit!]!;
  return Math.round(ms);
}

/**
 * The compiled form of a stored ServiceDefaults document. It was validated before it was stored; what another version
 * stored and this one does not understand is left out, not guessed.
 */
export function serviceDefaultsOf(document: unknown): ServiceDefaults {
  const spec = (document as { spec?: Record<string, unknown> } | null)?.spec ?? {};
  const { protocol, balance, connect_timeout: timeout } = spec;
  const connectTimeoutMs = typeof timeout === "string" ? durationMs(timeout) : undefined;
  return {
    ...(protocol === "http" || protocol === "tcp" || protocol === "auto" ? { protocol } : {}),
    ...(balance === "round_robin" || balance === "least_request" ? { balance } : {}),
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
  };
}
