// hot: every request that reaches this host
/** The destination's hop: is the caller allowed, a connection to the application, and the count. */
import { ascii } from "../core/http/tables.ts";
import type { Head } from "../core/http/head.ts";
import { PROXY_ERRORS } from "../core/model/proxy-errors.ts";
import { serviceKey } from "../core/model/names.ts";
import type { ServiceName } from "../core/model/names.ts";
import { serviceSpiffeId } from "../core/model/spiffe.ts";
import { Refusal } from "../core/tunnel/frames.ts";
import type { AppConnection } from "./app-pool.ts";
import type { HttpExchange } from "./http-exchange.ts";
import { LAST_HOP } from "./http-hop.ts";
import type { HttpHop } from "./http-hop.ts";
import { isIdempotent } from "./http-upstream.ts";
import type { LocalInstance, LocalService } from "./local-service.ts";
import type { Series, Stats } from "./stats.ts";
import { StreamPipe } from "./stream-pipe.ts";

/** Who is at the other end of an inbound connection, and what it asked for by its server name. */
export interface Caller {
  readonly name: ServiceName;
  readonly key: string;
  readonly service: LocalService;
  readonly series: Series;
  /** `x-forwarded-client-cert` and `x-mesh-source`: what the application may believe. */
  readonly lines: Uint8Array;
  policyVersion: number;
  allowed: boolean;
}

export function makeCaller(name: ServiceName, service: LocalService, trustDomain: string, stats: Stats): Caller {
  const key = serviceKey(name);
  const by = serviceSpiffeId(trustDomain, service.name);
  const uri = serviceSpiffeId(trustDomain, name);
  return {
    name, key, service,
    series: stats.row("destination", key, service.key),
    lines: ascii(`x-forwarded-client-cert: By=${by};URI=${uri}\r\nx-mesh-source: ${key}\r\n`),
    policyVersion: 0,
    allowed: false,
  };
}

/** Decided anew only when the policy is another. */
export function isAllowed(caller: Caller): boolean {
  const { service } = caller;
  if (caller.policyVersion !== service.policyVersion) {
    caller.policyVersion = service.policyVersion;
    caller.allowed = service.allows(caller.name, caller.key);
  }
  return caller.allowed;
}

export interface InboundHttpOptions {
  readonly caller: Caller;
  /** A stream names its instance; a plain connection takes any. */
  readonly instance: LocalInstance | undefined;
  readonly meshClient: boolean;
  readonly onClosed: (exchange: HttpExchange) => void;
}

export class InboundHttp implements HttpHop {
  readonly requestLines: Uint8Array;
  readonly viaOnRequest = true;
  readonly meshUpstream = false;
  readonly meshClient: boolean;
  private readonly options: InboundHttpOptions;

  constructor(options: InboundHttpOptions) {
    this.options = options;
    this.meshClient = options.meshClient;
    this.requestLines = options.caller.lines;
  }

  route(exchange: HttpExchange, head: Head): void {
    const { caller } = this.options;
    caller.series.active++;
    if (!isAllowed(caller)) {
      caller.series.denied++;
      exchange.answer("denied", `no intention allows ${caller.key} to call ${caller.service.key}`);
      return;
    }
    if (head.maxForwards === 0) return exchange.answer("bad_request", LAST_HOP);
    const instance = this.options.instance ?? caller.service.anyReady();
    if (instance === undefined) {
      exchange.answer("no_healthy_instance");
      return;
    }
    exchange.prepare(head);
    this.connect(exchange, instance, false);
  }

  private connect(exchange: HttpExchange, instance: LocalInstance, fresh: boolean): void {
    const connection = instance.pool.take(fresh);
    const sent: Sent = { connection, instance };
    exchange.target = sent;
    exchange.attach(connection.pipe);
  }

  again(exchange: HttpExchange, replayable: boolean): boolean {
    const { connection, instance } = exchange.target as Sent;
    const reused = connection.served > 0;
    const unopened = !reused && !connection.pipe.wasOpened;
    this.release(exchange, false);
    // The application closed an idle connection just as we took it: a fresh one tells (RFC 9112 section 9.3.1).
    if (reused && replayable && isIdempotent(exchange.methodId)) {
      this.connect(exchange, instance, true);
      return true;
    }
    if (!unopened || !this.meshClient || !(exchange.down instanceof StreamPipe)) return false;
    // Nothing reached the application: the caller's proxy may try another instance.
    const { down } = exchange;
    exchange.status = PROXY_ERRORS.connect_failed.status;
    exchange.giveUp();
    down.refuse(Refusal.connectFailed);
    return true;
  }

  explain(): undefined {}

  requestSent(): void {}

  release(exchange: HttpExchange, clean: boolean): void {
    const pipe = exchange.upstream.detach();
    const sent = exchange.target as Sent | undefined;
    if (sent === undefined) return;
    exchange.target = undefined;
    if (clean && pipe !== undefined) sent.instance.pool.give(sent.connection);
    else if (exchange.raw) sent.connection.pipe.end();
    else sent.connection.pipe.destroy();
  }

  settle(exchange: HttpExchange): void {
    const { series } = this.options.caller;
    series.active--;
    series.settle(exchange.methodId, exchange.status, performance.now() - exchange.startedMs);
  }

  closed(exchange: HttpExchange): void {
    this.options.onClosed(exchange);
  }
}

interface Sent {
  readonly connection: AppConnection;
  readonly instance: LocalInstance;
}
