import { MeshError } from "../../core/base/errors.ts";

export interface Waiter<T> {
  readonly term: number;
  readonly resolve: (value: T) => void;
  readonly reject: (error: MeshError) => void;
}

interface Entry<T> extends Waiter<T> {
  readonly deadlineMs: number;
}

/**
 * Who waits for what, by index or number. All have the same timeout, so the order of arrival is the order of their
 * deadlines, and one look at the oldest per tick replaces a timer each.
 */
export class Pending<T> {
  readonly #waiting = new Map<number, Entry<T>>();

  get size(): number {
    return this.#waiting.size;
  }

  add(key: number, waiter: Waiter<T>, deadlineMs: number): void {
    this.#waiting.set(key, { ...waiter, deadlineMs });
  }

  take(key: number): Waiter<T> | undefined {
    const waiter = this.#waiting.get(key);
    if (waiter !== undefined) this.#waiting.delete(key);
    return waiter;
  }

  /** Rejects all up to this key: nobody will say any more what became of them. */
  rejectUpTo(key: number, error: () => MeshError): void {
    for (const known of this.#waiting.keys()) if (known <= key) this.take(known)?.reject(error());
  }

  /** Rejects all whose deadline has passed. */
  expire(nowMs: number, error: () => MeshError): void {
    for (const [key, waiter] of this.#waiting) {
      if (waiter.deadlineMs > nowMs) return;
      this.#waiting.delete(key);
      waiter.reject(error());
    }
  }

  rejectAll(error: () => MeshError): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const waiter of all) waiter.reject(error());
  }
}

/** The outcome of a proposal is unknown: neither its success nor its failure may be claimed. */
export function unknownOutcome(why: string, cause?: unknown): MeshError {
  return new MeshError("TIMEOUT", `${why}: the command may or may not take effect`, { cause });
}
