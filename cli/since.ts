import type { Args } from "./args.ts";

const SINCE_MS_DEFAULT = 300_000;

/** `--since` as the span that the API takes, which ends now. */
export function spanOf(args: Args): { readonly start: number; readonly end: number } {
  const end = Date.now();
  return { start: end - (args.durationMs("since") ?? SINCE_MS_DEFAULT), end };
}
