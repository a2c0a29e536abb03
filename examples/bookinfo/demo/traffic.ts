/** Requests to productpage at a steady rate, and what became of them. */
import { setTimeout as delay } from "node:timers/promises";
import { get } from "../apps/web.ts";

export interface Tally {
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  /** By reviews version. */
  readonly versions: Readonly<Record<string, number>>;
  /** The last answer that was not 200. */
  readonly lastFailure: string;
}

interface Product {
  readonly reviews: { readonly version: string; readonly ratingsAsked?: number | null };
}

export class Traffic {
  readonly #port: number;
  readonly #everyMs: number;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #tally = emptyTally();

  constructor(productpagePort: number, perSecond: number) {
    this.#port = productpagePort;
    this.#everyMs = 1_000 / perSecond;
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** The counts since the last call, which start again at zero. */
  take(): Tally {
    const tally = this.#tally;
    this.#tally = emptyTally();
    return tally;
  }

  peek(): Tally {
    return this.#tally;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    const inFlight = new Set<Promise<void>>();
    while (!signal.aborted) {
      const one = this.#request().finally(() => inFlight.delete(one));
      inFlight.add(one);
      await delay(this.#everyMs, undefined, { signal }).catch(() => undefined);
    }
    await Promise.all(inFlight);
  }

  async #request(): Promise<void> {
    const { status, body } = await get(this.#port, "/api/v1/products/0");
    const tally = this.#tally;
    tally.sent++;
    if (status !== 200) {
      tally.failed++;
      tally.lastFailure = `${status}: ${body.trim()}`;
      return;
    }
    tally.ok++;
    const { version } = (JSON.parse(body) as Product).reviews;
    tally.versions[version] = (tally.versions[version] ?? 0) + 1;
  }
}

interface MutableTally {
  sent: number;
  ok: number;
  failed: number;
  versions: Record<string, number>;
  lastFailure: string;
}

const emptyTally = (): MutableTally => ({ sent: 0, ok: 0, failed: 0, versions: {}, lastFailure: "" });

/** `condition` until it holds; throws with what it last said when the time is over. */
export async function until(
  what: string, timeoutMs: number, condition: () => Promise<boolean | string> | boolean | string,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let last: boolean | string = false;
  for (;;) {
    last = await condition();
    if (last === true) return;
    if (performance.now() > deadline) {
      throw new Error(`${what}: not within ${timeoutMs / 1000} s${typeof last === "string" ? ` (${last})` : ""}`);
    }
    await delay(50);
  }
}
