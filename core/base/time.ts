/** Milliseconds on a clock that only goes forward; its zero means nothing. */
export type MonotonicMs = number & { readonly __monotonic: true };

/** Milliseconds since 1970-01-01 UTC; may jump. */
export type WallMs = number & { readonly __wall: true };

export const monotonic = (ms: number): MonotonicMs => ms as MonotonicMs;
export const wall = (ms: number): WallMs => ms as WallMs;

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
