// hot: picks once per request
/**
 * Which instance a request goes to. Weighted round robin is nginx's smooth kind: of weights 5, 1, 1 it makes
 * a a b a c a a, not five in a row. Least-request draws two by weight and takes the one with fewer requests under way
 * per weight (Mitzenmacher's two choices). An endpoint that could not be reached just now is left out for a while, so
 * that a dead host costs one failed attempt and not one per request; when all are so, they are tried all the same.
 */
import type { Random } from "../base/random.ts";
import type { Balance } from "../model/catalog.ts";
import type { EndpointConfig } from "../model/snapshot.ts";

/** First pause after a failed connect; doubles with each further failure. */
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 10_000;

export class Endpoint {
  readonly key: string;
  readonly node: string;
  readonly id: string;
  config: EndpointConfig;
  /** Requests and connections under way. */
  active = 0;
  /** Not before this (monotonic ms): it could not be reached. */
  avoidUntilMs = 0;
  /** Failures to connect in a row. */
  failures = 0;
  /** Smooth round robin's running weight. */
  current = 0;

  constructor(config: EndpointConfig) {
    this.key = endpointKey(config);
    this.node = config.node;
    this.id = config.id;
    this.config = config;
  }

  connectFailed(nowMs: number): void {
    this.avoidUntilMs = nowMs + Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.failures, 10));
    this.failures++;
  }

  connected(): void {
    this.failures = 0;
    this.avoidUntilMs = 0;
  }
}

const endpointKey = (config: EndpointConfig): string => `${config.node}/${config.id}`;

export class Balancer {
  private readonly random: Random;
  private kind: Balance = "round_robin";
  private all: Endpoint[] = [];
  private healthy: Endpoint[] = [];

  constructor(random: Random) {
    this.random = random;
  }

  get endpoints(): readonly Endpoint[] {
    return this.all;
  }

  get healthyCount(): number {
    return this.healthy.length;
  }

  /** Takes a new list; endpoints that stay keep their counts. */
  update(kind: Balance, configs: readonly EndpointConfig[]): void {
    this.kind = kind;
    const old = new Map(this.all.map((endpoint) => [endpoint.key, endpoint]));
    this.all = configs.map((config) => {
      const known = old.get(endpointKey(config));
      if (known === undefined) return new Endpoint(config);
      if (known.config.host !== config.host || known.config.port !== config.port) known.connected();
      known.config = config;
      return known;
    });
    this.healthy = this.all.filter((endpoint) => endpoint.config.healthy && endpoint.config.weight > 0);
  }

  /** One that is healthy and not among the tried; undefined when none is left. */
  pick(nowMs: number, tried: readonly Endpoint[]): Endpoint | undefined {
    return this.choose(nowMs, tried, false) ?? this.choose(nowMs, tried, true);
  }

  private choose(nowMs: number, tried: readonly Endpoint[], anyway: boolean): Endpoint | undefined {
    const first = this.kind === "least_request" ? this.draw(nowMs, tried, anyway) : this.rotate(nowMs, tried, anyway);
    if (first === undefined || this.kind !== "least_request") return first;
    const second = this.draw(nowMs, tried, anyway)!;
    const load = (endpoint: Endpoint): number => (endpoint.active + 1) / endpoint.config.weight;
    return load(second) < load(first) ? second : first;
  }

  private may(endpoint: Endpoint, nowMs: number, tried: readonly Endpoint[], anyway: boolean): boolean {
    return (anyway || endpoint.avoidUntilMs <= nowMs) && (tried.length === 0 || !tried.includes(endpoint));
  }

  private rotate(nowMs: number, tried: readonly Endpoint[], anyway: boolean): Endpoint | undefined {
    let best: Endpoint | undefined;
    let total = 0;
    for (let i = 0; i < this.healthy.length; i++) {
      const endpoint = this.healthy[i]!;
      if (!this.may(endpoint, nowMs, tried, anyway)) continue;
      const weight = endpoint.config.weight;
      endpoint.current += weight;
      total += weight;
      if (best === undefined || endpoint.current > best.current) best = endpoint;
    }
    if (best !== undefined) best.current -= total;
    return best;
  }

  private draw(nowMs: number, tried: readonly Endpoint[], anyway: boolean): Endpoint | undefined {
    let total = 0;
    for (let i = 0; i < this.healthy.length; i++) {
      const endpoint = this.healthy[i]!;
      if (this.may(endpoint, nowMs, tried, anyway)) total += endpoint.config.weight;
    }
    let at = this.random() * total;
    let last: Endpoint | undefined;
    for (let i = 0; i < this.healthy.length; i++) {
      const endpoint = this.healthy[i]!;
      if (!this.may(endpoint, nowMs, tried, anyway)) continue;
      last = endpoint;
      at -= endpoint.config.weight;
      if (at < 0) break;
    }
    return last;
  }
}
