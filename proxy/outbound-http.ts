// hot: every request that leaves this host
/** The source's hop: an instance for each request, a stream of a tunnel to its host, and the count. */
import type { Head } from "../core/http/head.ts";
import type { ProxyErrorCode } from "../core/model/proxy-errors.ts";
import type { Endpoint } from "../core/traffic/balance.ts";
import { mayRetry } from "../core/traffic/retry.ts";
import type { Failure } from "../core/traffic/retry.ts";
import { Refusal } from "../core/tunnel/frames.ts";
import { NO_OWNER } from "../io/sockets/pipe.ts";
import type { HttpExchange } from "./http-exchange.ts";
import { LAST_HOP } from "./http-hop.ts";
import type { HttpHop } from "./http-hop.ts";
import { isIdempotent } from "./http-upstream.ts";
import type { TunnelLink } from "./link.ts";
import type { Outbound, Way } from "./outbound.ts";
import { StreamPipe } from "./stream-pipe.ts";

export class OutboundHttp implements HttpHop {
  readonly requestLines = undefined;
  readonly viaOnRequest = false;
  readonly meshUpstream = true;
  readonly meshClient = false;
  private readonly outbound: Outbound;

  constructor(outbound: Outbound) {
    this.outbound = outbound;
  }

  route(exchange: HttpExchange, head: Head): void {
    this.outbound.series.active++;
    if (head.maxForwards === 0) return exchange.answer("bad_request", LAST_HOP);
    exchange.prepare(head);
    if (!this.tryNext(exchange)) exchange.answer(this.whyNone());
  }

  private whyNone(): "no_route" | "no_healthy_instance" {
    return this.outbound.balancer.endpoints.length === 0 ? "no_route" : "no_healthy_instance";
  }

  /** Another instance; false when none is left. */
  private tryNext(exchange: HttpExchange): boolean {
    const { outbound } = this;
    const endpoint = outbound.balancer.pick(exchange.startedMs, exchange.tried);
    if (endpoint === undefined) return false;
    exchange.target = endpoint;
    exchange.upstream.failed = undefined;
    endpoint.active++;
    const way = outbound.way(endpoint);
    const link = way.group.pick();
    if (link === undefined || !this.send(exchange, way, link)) this.wait(exchange, endpoint, way);
    return true;
  }

  private send(exchange: HttpExchange, way: Way, link: TunnelLink): boolean {
    const pipe = new StreamPipe(link.tunnel, undefined, NO_OWNER);
    const stream = link.tunnel.open(way.openHttp, pipe);
    if (stream === undefined) return false;
    pipe.stream = stream;
    exchange.attach(pipe);
    return true;
  }

  private wait(exchange: HttpExchange, endpoint: Endpoint, way: Way): void {
    const { startedMs } = exchange;
    const isCurrent = (): boolean =>
      !exchange.isClosed && exchange.target === endpoint && exchange.startedMs === startedMs
      && !exchange.upstream.isAttached;
    way.group.wait({
      onLink: (link) => {
        if (!isCurrent()) return;
        endpoint.connected();
        if (!this.send(exchange, way, link)) this.wait(exchange, endpoint, way);
      },
      onFailed: () => {
        if (!isCurrent()) return;
        exchange.attempts++;
        const ready = way.group.hasIdentity;
        exchange.upstreamFailed(ready ? "connect_failed" : "not_ready", ready);
      },
    });
  }

  again(exchange: HttpExchange, replayable: boolean): boolean {
    const endpoint = exchange.target as Endpoint;
    const failed = exchange.upstream.failed;
    const refusal = failed instanceof StreamPipe ? failed.refusedCode : 0;
    const failure: Failure = failed === undefined ? { kind: "unconnected" }
      : refusal > 0 ? { kind: "refused", code: refusal } : { kind: "lost" };
    if (failure.kind === "unconnected" || refusal === Refusal.connectFailed) endpoint.connectFailed(performance.now());
    this.release(exchange);
    const idempotent = isIdempotent(exchange.methodId);
    if (mayRetry({ failure, attempts: exchange.attempts, replayable, idempotent })) {
      // A tunnel that goes away says nothing against its instance.
      if (refusal !== Refusal.goingAway) exchange.tried = [...exchange.tried, endpoint];
      if (this.tryNext(exchange)) return true;
    }
    if (refusal === 0) return false;
    exchange.answer(refusal === Refusal.denied ? "denied"
      : refusal === Refusal.protocolUnsupported ? "protocol_unsupported" : "connect_failed");
    return true;
  }

  explain(_exchange: HttpExchange, code: ProxyErrorCode): string | undefined {
    const { config, balancer } = this.outbound;
    const { endpoints } = balancer;
    switch (code) {
      case "no_route": return `no instance of ${config.destination} is known here`;
      case "no_healthy_instance": return `${config.destination} has ${endpoints.length} known, none of them healthy`;
      case "not_ready": return `there is no certificate for ${config.source} yet`;
      case "connect_failed": return this.whyUnreachable();
      default: return undefined;
    }
  }

  private whyUnreachable(): string {
    const { config, groups } = this.outbound;
    const errors = new Set(groups.map((group) => group.lastError).filter((error) => error !== ""));
    return [`no instance of ${config.destination} could be reached`, ...errors].join("; ");
  }

  requestSent(exchange: HttpExchange): void {
    if (!exchange.upgradeAsked) exchange.upstream.pipe?.end();
  }

  release(exchange: HttpExchange): void {
    const pipe = exchange.upstream.detach();
    if (pipe instanceof StreamPipe) {
      // An answer that came early: the rest of the request is unwanted.
      if (exchange.requestDone && exchange.status !== 0 && !exchange.raw) {
        pipe.end(); // still open where a switch of protocols was asked for and not granted
        pipe.detach();
      } else pipe.destroy();
    }
    const endpoint = exchange.target as Endpoint | undefined;
    if (endpoint === undefined) return;
    exchange.target = undefined;
    endpoint.active--;
  }

  settle(exchange: HttpExchange): void {
    const { series } = this.outbound;
    series.active--;
    series.settle(exchange.methodId, exchange.status, performance.now() - exchange.startedMs);
  }

  closed(exchange: HttpExchange): void {
    this.outbound.closed(exchange);
  }
}
