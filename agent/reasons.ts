import { MeshError } from "../core/base/errors.ts";

/** grpc-js wraps the system's own words in three layers of its own. */
const WRAPPED = /^No connection established\. Last error: (?:Error: )?(.*?)\.? ?Resolution note:.*$/s;

/** What went wrong, for a person. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return WRAPPED.exec(text)?.[1] ?? text;
}

/** Fields for a log line: only the words of what was to be expected, the whole of what was not. */
export function logged(error: unknown): object {
  return error instanceof MeshError && error.code !== "INTERNAL" ? { reason: reasonOf(error) } : { err: error };
}

/** Nobody answered, or not in time: not the caller's fault, and worth another try. */
export const isAway = (error: unknown): boolean =>
  error instanceof MeshError && ["UNREACHABLE", "TIMEOUT", "NO_LEADER"].includes(error.code);
