/**
 * One upstream of a local service: what its listener accepts goes to an instance of the destination. HTTP per request,
 * TCP per connection; where the protocol is not declared, the first bytes decide.
 */
import type { Socket } from "node:net";
import { Sniff, sniffProtocol } from "../core/http/sniff.ts";
import type { OutboundConfig } from "../core/model/snapshot.ts";
import { Balancer } from "../core/traffic/balance.ts";
import type { Endpoint } from "../core/traffic/balance.ts";
import { subset } from "../core/traffic/subset.ts";
import { StreamProtocol, encodeOpen } from "../core/tunnel/frames.ts";
import type { StreamProtocolId } from "../core/tunnel/frames.ts";
import { NO_OWNER } from "../io/sockets/pipe.ts";
import type { PipeOwner } from "../io/sockets/pipe.ts";
import { SocketPipe } from "../io/sockets/socket-pipe.ts";
import { HttpExchange } from "./http-exchange.ts";
import { OutboundHttp } from "./outbound-http.ts";
import { relayOutboundTcp } from "./outbound-tcp.ts";
import type { Series, Stats } from "./stats.ts";
import type { TcpRelay } from "./tcp-relay.ts";
import type { TunnelGroup } from "./tunnel-group.ts";

/** A client that says nothing for this long waits for the server to begin: TCP. */
const SNIFF_MS = 200;

/** The way to one endpoint. */
export interface Way {
  readonly group: TunnelGroup;
  readonly openHttp: Uint8Array;
  readonly openTcp: Uint8Array;
}

export interface OutboundDeps {
  readonly stats: Stats;
  readonly node: string;
  readonly random: () => number;
  /** The shared group for this endpoint's host. */
  readonly groupFor: (config: OutboundConfig, endpoint: Endpoint) => TunnelGroup;
}

const openPayload = (protocol: StreamProtocolId, instanceId: string): Uint8Array =>
  encodeOpen({ protocol, deadlineMs: 0, instanceId, extensions: [] });

export class Outbound {
  config: OutboundConfig;
  readonly balancer: Balancer;
  readonly series: Series;
  private readonly deps: OutboundDeps;
  private readonly http: OutboundHttp;
  private ways = new Map<Endpoint, Way>();
  private readonly exchanges = new Set<HttpExchange>();
  private readonly relays = new Set<TcpRelay>();
  private draining = false;

  constructor(config: OutboundConfig, deps: OutboundDeps) {
    this.config = config;
    this.deps = deps;
    this.balancer = new Balancer(deps.random);
    this.series = deps.stats.row("source", config.source, config.destination);
    this.http = new OutboundHttp(this);
    this.update(config);
  }

  /** Takes a new configuration; requests under way keep what they were given. */
  update(config: OutboundConfig): void {
    this.config = config;
    this.balancer.update(config.balance, subset(config.endpoints, this.deps.node));
    const ways = new Map<Endpoint, Way>();
    for (const endpoint of this.balancer.endpoints) ways.set(endpoint, this.makeWay(endpoint));
    this.ways = ways;
  }

  private makeWay(endpoint: Endpoint): Way {
    const group = this.deps.groupFor(this.config, endpoint);
    const old = this.ways.get(endpoint);
    if (old !== undefined && old.group === group) return old;
    const { id } = endpoint;
    return { group, openHttp: openPayload(StreamProtocol.http, id), openTcp: openPayload(StreamProtocol.tcp, id) };
  }

  way(endpoint: Endpoint): Way {
    return this.ways.get(endpoint) ?? this.makeWay(endpoint);
  }

  get groups(): TunnelGroup[] {
    return [...this.ways.values()].map((way) => way.group);
  }

  get connectionCount(): number {
    return this.exchanges.size + this.relays.size;
  }

  get isIdle(): boolean {
    return this.connectionCount === 0;
  }

  accept(socket: Socket): void {
    const pipe = new SocketPipe(socket, NO_OWNER);
    if (this.config.protocol === "http") this.startHttp(pipe);
    else if (this.config.protocol === "tcp") this.startTcp(pipe);
    else pipe.owner = new Sniffer((http) => (http ? this.startHttp(pipe) : this.startTcp(pipe)));
    pipe.start();
  }

  private startHttp(pipe: SocketPipe): PipeOwner {
    const exchange = new HttpExchange(pipe, this.http, performance.now());
    this.exchanges.add(exchange);
    if (this.draining) exchange.drain();
    return exchange;
  }

  private startTcp(pipe: SocketPipe): PipeOwner {
    const relay = relayOutboundTcp(this, pipe, (ended) => this.relays.delete(ended));
    if (!relay.over) this.relays.add(relay);
    return relay;
  }

  closed(exchange: HttpExchange): void {
    this.exchanges.delete(exchange);
  }

  tick(nowMs: number): void {
    for (const exchange of this.exchanges) exchange.tick(nowMs);
  }

  /** The listener is closed: keep-alive connections end after the request under way. */
  drain(): void {
    this.draining = true;
    for (const exchange of this.exchanges) exchange.drain();
  }

  destroy(): void {
    for (const exchange of this.exchanges) exchange.abort();
    for (const relay of this.relays) relay.cut();
  }
}

/** Holds a client's first bytes until they tell what it speaks. */
class Sniffer implements PipeOwner {
  private readonly decide: (http: boolean) => PipeOwner;
  private readonly timer: NodeJS.Timeout;
  private held: Uint8Array = new Uint8Array(0);
  private eof = false;
  private decided = false;

  constructor(decide: (http: boolean) => PipeOwner) {
    this.decide = decide;
    this.timer = setTimeout(() => this.become(this.held.length > 0 && sniffedHttp(this.held)), SNIFF_MS);
  }

  private become(http: boolean): void {
    if (this.decided) return;
    this.decided = true;
    clearTimeout(this.timer);
    const owner = this.decide(http);
    if (this.held.length > 0) owner.onBytes(this.held, 0, this.held.length);
    if (this.eof) owner.onEof();
  }

  onBytes(bytes: Uint8Array, from: number, to: number): void {
    const joined = new Uint8Array(this.held.length + to - from);
    joined.set(this.held);
    joined.set(bytes.subarray(from, to), this.held.length);
    this.held = joined;
    const verdict = sniffProtocol(joined, 0, joined.length);
    if (verdict !== Sniff.needMore) this.become(verdict === Sniff.http1);
  }

  onEof(): void {
    this.eof = true;
    this.become(false);
  }

  onGone(): void {
    this.decided = true;
    clearTimeout(this.timer);
  }

  onBlocked(): void {}

  onDrain(): void {}
}

/** A request line that is slow to come is HTTP as soon as it names one of HTTP's methods. */
const sniffedHttp = (held: Uint8Array): boolean =>
  /^(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE) /.test(String.fromCharCode(...held.subarray(0, 16)));
