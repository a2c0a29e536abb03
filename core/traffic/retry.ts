/** When a request may be sent to another instance. */
import { isRetrySafe } from "../tunnel/frames.ts";

/** Instances tried for one request, the first included. */
const ATTEMPTS_MAX = 3;

export type Failure =
  /** No connection came to be. */
  | { readonly kind: "unconnected" }
  /** The destination's proxy refused the stream with this code. */
  | { readonly kind: "refused"; readonly code: number }
  /** The connection ended before a byte of the answer. */
  | { readonly kind: "lost" };

export interface RetryQuestion {
  readonly failure: Failure;
  /** Attempts so far. */
  readonly attempts: number;
  /** All of the request is still here. */
  readonly replayable: boolean;
  /** RFC 9110 section 9.2.2; never true for opaque TCP bytes. */
  readonly idempotent: boolean;
}

/** A proxy never repeats what an application may have acted upon, unless repeating is what the method allows. */
export function mayRetry({ failure, attempts, replayable, idempotent }: RetryQuestion): boolean {
  if (attempts >= ATTEMPTS_MAX || !replayable) return false;
  if (failure.kind === "refused") return isRetrySafe(failure.code);
  return failure.kind === "unconnected" || idempotent;
}
