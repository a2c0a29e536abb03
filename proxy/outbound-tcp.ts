/** The source's hop for opaque bytes: one stream per connection, another instance while none has taken a byte. */
import type { Endpoint } from "../core/traffic/balance.ts";
import { mayRetry } from "../core/traffic/retry.ts";
import type { Failure } from "../core/traffic/retry.ts";
import { Refusal } from "../core/tunnel/frames.ts";
import { NO_OWNER } from "../io/sockets/pipe.ts";
import type { SocketPipe } from "../io/sockets/socket-pipe.ts";
import type { TunnelLink } from "./link.ts";
import type { Outbound, Way } from "./outbound.ts";
import { StreamPipe } from "./stream-pipe.ts";
import { TcpRelay } from "./tcp-relay.ts";

/** Starts the relay; the client is reset where there is no instance. */
export function relayOutboundTcp(outbound: Outbound, pipe: SocketPipe, onOver: (relay: TcpRelay) => void): TcpRelay {
  const attempt = new TcpAttempts(outbound, pipe, onOver);
  attempt.next();
  return attempt.relay;
}

class TcpAttempts {
  readonly relay: TcpRelay;
  private readonly outbound: Outbound;
  private readonly tried: Endpoint[] = [];
  private endpoint: Endpoint | undefined = undefined;
  private attempts = 0;

  constructor(outbound: Outbound, pipe: SocketPipe, onOver: (relay: TcpRelay) => void) {
    this.outbound = outbound;
    const { series } = outbound;
    series.active++;
    series.tcpConnections++;
    this.relay = new TcpRelay(pipe, {
      again: (_relay, failed, replayable) => this.again(failed, replayable),
      onOver: (relay) => {
        this.leave();
        series.active--;
        series.relays.delete(relay);
        series.tcpSentBytes += relay.sentBytes;
        series.tcpReceivedBytes += relay.receivedBytes;
        onOver(relay);
      },
    });
    series.relays.add(this.relay);
  }

  private leave(): void {
    if (this.endpoint !== undefined) this.endpoint.active--;
    this.endpoint = undefined;
  }

  /** Tries an instance that was not tried; resets the client where none is left. */
  next(): boolean {
    const endpoint = this.outbound.balancer.pick(performance.now(), this.tried);
    if (endpoint === undefined) {
      this.relay.cut();
      return false;
    }
    this.attempts++;
    this.endpoint = endpoint;
    endpoint.active++;
    const way = this.outbound.way(endpoint);
    const link = way.group.pick();
    if (link === undefined || !this.send(way, link)) this.wait(endpoint, way);
    return true;
  }

  private send(way: Way, link: TunnelLink): boolean {
    const pipe = new StreamPipe(link.tunnel, undefined, NO_OWNER);
    const stream = link.tunnel.open(way.openTcp, pipe);
    if (stream === undefined) return false;
    pipe.stream = stream;
    this.relay.attach(pipe);
    return true;
  }

  private wait(endpoint: Endpoint, way: Way): void {
    const isCurrent = (): boolean => !this.relay.over && this.endpoint === endpoint;
    way.group.wait({
      onLink: (link) => {
        if (!isCurrent()) return;
        endpoint.connected();
        if (!this.send(way, link)) this.wait(endpoint, way);
      },
      onFailed: () => {
        if (isCurrent() && !this.again(undefined, true)) this.relay.cut();
      },
    });
  }

  private again(failed: unknown, replayable: boolean): boolean {
    const endpoint = this.endpoint!;
    const refusal = failed instanceof StreamPipe ? failed.refusedCode : 0;
    const failure: Failure = failed === undefined ? { kind: "unconnected" }
      : refusal > 0 ? { kind: "refused", code: refusal } : { kind: "lost" };
    if (failure.kind === "unconnected" || refusal === Refusal.connectFailed) endpoint.connectFailed(performance.now());
    this.leave();
    if (!mayRetry({ failure, attempts: this.attempts, replayable, idempotent: false })) return false;
    if (refusal !== Refusal.goingAway) this.tried.push(endpoint);
    return this.next();
  }
}
