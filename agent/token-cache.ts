/**
 * What the servers last said of the tokens that were used here, in memory and on disk: Prometheus and the command line
 * go on working over TCP while no server answers, a restart of the agent included. Of a token only its digest is kept.
 * Nothing here is a permission by itself: it is asked for again as soon as a server answers, and what the servers no
 * longer know is forgotten at once.
 */
import { createHash } from "node:crypto";
import { HOUR_MS, MINUTE_MS } from "../core/base/time.ts";
import type { Logger } from "../io/logger.ts";
import { readCache, writeChecked } from "./checked-file.ts";
import { logged } from "./reasons.ts";

export interface TokenDecision {
  /** Names the token without being it. */
  readonly accessor: string;
  readonly roles: readonly string[];
  /** Wall time at which the token ends; 0: never. */
  readonly expMs: number;
  /** Wall time at which the servers said so. */
  readonly atMs: number;
}

/** How long a decision outlives the servers; a host must stay usable through a long outage, but not for ever. */
const KEPT_MS = 24 * HOUR_MS;
const ENTRIES_MAX = 1_000;
/** A token in daily use must not cost a synced write with each question, nor many new ones a write each. */
const REWRITE_MS = 10 * MINUTE_MS;
const WRITE_DELAY_MS = 200;

export interface TokenCacheOptions {
  readonly path: string;
  /** Decisions of another cluster are not used. */
  readonly clusterId: string;
  readonly log: Logger;
  readonly nowMs: () => number;
}

export class TokenCache {
  readonly #options: TokenCacheOptions;
  readonly #entries = new Map<string, TokenDecision>();
  /** When each entry that is on disk was decided, as it stands there. */
  readonly #stored = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TokenCacheOptions) {
    this.#options = options;
    const warn = (message: string): void => options.log.warn(message);
    const stored = readCache(options.path, warn) as { cluster: string; tokens: [string, TokenDecision][] } | undefined;
    if (stored?.cluster !== options.clusterId) return;
    for (const [key, decision] of stored.tokens) {
      this.#entries.set(key, decision);
      this.#stored.set(key, decision.atMs);
    }
  }

  /** The last decision while it may still be used, with its age; undefined for a token that is over. */
  get(token: string): { readonly decision: TokenDecision; readonly ageMs: number } | undefined {
    const nowMs = this.#options.nowMs();
    const decision = this.#entries.get(keyOf(token));
    // A clock that was set back makes no decision younger than it is.
    const ageMs = decision === undefined ? 0 : Math.abs(nowMs - decision.atMs);
    if (decision === undefined || ageMs >= KEPT_MS) return undefined;
    return decision.expMs !== 0 && decision.expMs <= nowMs ? undefined : { decision, ageMs };
  }

  put(token: string, decision: TokenDecision): void {
    const key = keyOf(token);
    const old = this.#entries.get(key);
    this.#entries.delete(key);
    if (this.#entries.size >= ENTRIES_MAX) this.#forget(this.#entries.keys().next().value!);
    this.#entries.set(key, decision);
    const same = old !== undefined && old.expMs === decision.expMs && old.roles.join() === decision.roles.join();
    if (!same || decision.atMs - (this.#stored.get(key) ?? 0) >= REWRITE_MS) this.#writeSoon();
  }

  /** The servers do not know the token any more. */
  delete(token: string): void {
    const key = keyOf(token);
    if (!this.#entries.has(key)) return;
    this.#forget(key);
    this.#writeSoon();
  }

  #forget(key: string): void {
    this.#entries.delete(key);
    this.#stored.delete(key);
  }

  #writeSoon(): void {
    this.#timer ??= setTimeout(() => this.flush(), WRITE_DELAY_MS);
  }

  /** Writes now what is not written yet. */
  flush(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { path, clusterId, log, nowMs } = this.#options;
    for (const [key, { atMs }] of this.#entries) if (nowMs() - atMs >= KEPT_MS) this.#forget(key);
    try {
      writeChecked(path, { cluster: clusterId, tokens: [...this.#entries] });
      for (const [key, { atMs }] of this.#entries) this.#stored.set(key, atMs);
    } catch (error) {
      // A full disk must not stop a host that works from memory.
      log.error(logged(error), "what tokens may do cannot be kept for a restart");
    }
  }
}

/** Tokens have 122 random bits: a plain digest is enough, and gives nothing back. */
const keyOf = (token: string): string => createHash("sha256").update(token).digest("base64");
