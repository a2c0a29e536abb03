/**
 * The tunnels from one local service to one service on one host: one as a rule, another when the first is busy. The
 * first request opens it and waits; while a handshake is under way nobody starts a second one for the same group.
 */
import { connect } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { TunnelError } from "../core/tunnel/frames.ts";
import type { SlabPool } from "../core/tunnel/outbox.ts";
import { serviceKey } from "../core/model/names.ts";
import type { ServiceName } from "../core/model/names.ts";
import { serviceSni } from "../core/model/spiffe.ts";
import { clientTlsOptions } from "../io/tls/context.ts";
import type { Identity, Trust } from "./identity.ts";
import { TunnelLink } from "./link.ts";

export const TUNNEL_ALPN = "mesh/1";
/** Streams and queued bytes from which a tunnel counts as busy. */
const BUSY_STREAMS = 64;
const BUSY_BYTES = 1_048_576;
const LINKS_MAX = 4;
const IDLE_CLOSE_MS = 60_000;
/** Requests wait this long for the first tunnel, or less where the upstream's connect timeout is shorter. */
export const WAIT_MAX_MS = 5_000;
const WAITERS_MAX = 10_000;

export interface Waiter {
  onLink(link: TunnelLink): void;
  onFailed(reason: string): void;
}

export interface GroupOptions {
  readonly host: string;
  readonly port: number;
  readonly destination: ServiceName;
  /** The identity and trust of now: asked at each handshake. */
  readonly credentials: () => { identity: Identity; trust: Trust } | undefined;
  readonly connectTimeoutMs: number;
  readonly slabs: SlabPool;
  readonly gate: HandshakeGate;
  readonly onLinks: (change: number) => void;
  /** A line for the log. */
  readonly say: (line: string) => void;
}

/** Bounds the handshakes that run at once: a storm of them would stall every request. */
export class HandshakeGate {
  private running = 0;
  private readonly limit: number;
  private readonly queue: (() => void)[] = [];

  constructor(limit = 4) {
    this.limit = limit;
  }

  enter(start: () => void): void {
    if (this.running >= this.limit) {
      this.queue.push(start);
      return;
    }
    this.running++;
    start();
  }

  leave(): void {
    this.running--;
    const next = this.queue.shift();
    if (next === undefined) return;
    this.running++;
    next();
  }
}

export class TunnelGroup {
  readonly options: GroupOptions;
  private links: TunnelLink[] = [];
  private opening = 0;
  private waiters: { waiter: Waiter; sinceMs: number }[] = [];
  private closed = false;
  /** Tunnels of an older certificate, which serve until a new one is there. */
  private stale: TunnelLink[] = [];
  /** A newest certificate, ours or the peer's, was not shown yet while streams run: a tunnel is opened for it. */
  private owesRenewal = false;
  /** The handshake under way is to show it. */
  private renewing = false;
  /** Wall ms at which the certificate ends that the peer showed on a tunnel. */
  private readonly peerEndMs = new WeakMap<TunnelLink, number>();
  /** The latest of them. */
  private peerGoodUntilMs = 0;
  lastError = "";

  constructor(options: GroupOptions) {
    this.options = options;
  }

  get isIdle(): boolean {
    return this.links.length === 0 && this.opening === 0 && this.waiters.length === 0;
  }

  /** The calling service has a certificate. */
  get hasIdentity(): boolean {
    return this.options.credentials() !== undefined;
  }

  get streamCount(): number {
    return this.links.reduce((sum, link) => sum + link.tunnel.streams.size, 0);
  }

  get linkCount(): number {
    return this.links.length;
  }

  /** A tunnel that takes a stream now; opens another one where this one is busy. Undefined: wait for one. */
  pick(): TunnelLink | undefined {
    let best: TunnelLink | undefined;
    for (let i = 0; i < this.links.length; i++) {
      const link = this.links[i]!;
      if (!link.isUsable) continue;
      if (best === undefined || link.tunnel.streams.size < best.tunnel.streams.size) best = link;
    }
    if (best !== undefined && this.opening === 0 && this.links.length < LINKS_MAX
      && (best.tunnel.streams.size > BUSY_STREAMS || best.tunnel.backlogSize > BUSY_BYTES)) this.open();
    return best;
  }

  wait(waiter: Waiter): void {
    if (this.closed || this.waiters.length >= WAITERS_MAX) {
      waiter.onFailed("too many requests wait for a tunnel");
      return;
    }
    this.waiters.push({ waiter, sinceMs: performance.now() });
    if (this.opening === 0) this.open();
  }

  /** Opens a tunnel before it is needed. */
  warm(): void {
    if (this.isIdle && !this.closed) this.open();
  }

  private open(): void {
    this.opening++;
    this.options.gate.enter(() => this.handshake());
  }

  private handshake(): void {
    const { host, port, destination, credentials, connectTimeoutMs, gate } = this.options;
    const now = credentials();
    // What changes from here on wants another one.
    this.renewing ||= this.owesRenewal;
    this.owesRenewal = false;
    if (now === undefined || this.closed) {
      gate.leave();
      this.failed("there is no certificate for the calling service yet");
      return;
    }
    const { identity, trust } = now;
    const half: ConnectionOptions & { allowHalfOpen: boolean } = {
      ...clientTlsOptions({
        context: identity.context,
        servername: serviceSni(trust.trustDomain, destination),
        trustDomain: trust.trustDomain,
        rootsPem: trust.rootsPem,
        accept: (id) => id.kind === "service" && id.namespace === destination.namespace && id.name === destination.name,
        alpn: [TUNNEL_ALPN],
      }),
      host, port, allowHalfOpen: true,
    };
    const socket = connect(half);
    let settled = false;
    const settle = (error: string | undefined): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      gate.leave();
      if (error === undefined) this.opened(socket);
      else {
        socket.destroy();
        this.failed(error);
      }
    };
    const timer = setTimeout(() => settle("connecting took too long"), Math.min(connectTimeoutMs, WAIT_MAX_MS));
    socket.once("error", (error) => settle(error.message));
    socket.once("close", () => settle("the other proxy closed the connection"));
    socket.once("secureConnect", () => {
      settle(socket.alpnProtocol === TUNNEL_ALPN ? undefined : "the other proxy does not speak mesh/1");
    });
  }

  private opened(socket: TLSSocket): void {
    this.opening--;
    const link = new TunnelLink(socket, {
      opener: true,
      slabs: this.options.slabs,
      onOpen: () => 0,
      onClosed: (closed) => {
        this.links = this.links.filter((one) => one !== closed);
        this.stale = this.stale.filter((one) => one !== closed);
        this.options.onLinks(-1);
      },
      // The peer has a new certificate: seeing it on a new tunnel lets what runs on this one run on.
      onPeerLeaving: (code) => { this.owesRenewal ||= code === TunnelError.certificateChanged; },
    });
    const endMs = socket.getPeerX509Certificate()?.validToDate.getTime() ?? 0;
    this.peerEndMs.set(link, endMs);
    this.peerGoodUntilMs = Math.max(this.peerGoodUntilMs, endMs);
    this.options.onLinks(1);
    this.links.push(link);
    this.lastError = "";
    this.renewing = false;
    for (const old of this.stale) old.drain(TunnelError.certificateChanged);
    this.stale = [];
    const waiting = this.waiters;
    this.waiters = [];
    for (const { waiter } of waiting) waiter.onLink(link);
    // It left the configuration meanwhile: what waited for it may still use it.
    if (this.closed) link.drain(TunnelError.idle);
  }

  private failed(error: string): void {
    this.opening--;
    this.owesRenewal ||= this.renewing;
    this.renewing = false;
    const { host, port, destination, say } = this.options;
    if (error !== this.lastError) say(`no tunnel to ${serviceKey(destination)} at ${host}:${port}: ${error}`);
    this.lastError = error;
    if (this.opening > 0) return;
    const waiting = this.waiters;
    this.waiters = [];
    for (const { waiter } of waiting) waiter.onFailed(error);
  }

  /**
   * The certificate changed: a new tunnel takes over, then the old ones end when their streams do. It is opened for
   * streams on older tunnels too: seeing it, the peer lets them run past the end of the certificate they began with.
   */
  renew(): void {
    this.stale = this.links.filter((link) => link.isUsable);
    this.owesRenewal = this.streamCount > 0;
    if (this.owesRenewal) {
      this.open();
      return;
    }
    for (const link of this.stale) link.drain(TunnelError.certificateChanged);
    this.stale = [];
  }

  /**
   * A peer is good until its certificate ends: after that no stream begins, and what runs goes on only while a newer
   * one holds that the peer has shown on another tunnel.
   */
  private judgePeers(wallMs: number): void {
    for (const link of this.links) {
      if (wallMs <= (this.peerEndMs.get(link) ?? 0)) continue;
      if (wallMs > this.peerGoodUntilMs) link.destroy();
      else link.drain(TunnelError.certificateChanged);
    }
  }

  tick(nowMs: number, wallMs: number): void {
    this.judgePeers(wallMs);
    const late = this.waiters.filter(({ sinceMs }) => nowMs - sinceMs > WAIT_MAX_MS);
    if (late.length > 0) {
      this.waiters = this.waiters.filter((entry) => !late.includes(entry));
      for (const { waiter } of late) waiter.onFailed("no tunnel within five seconds");
    }
    if (this.owesRenewal && this.opening === 0) {
      this.owesRenewal = this.streamCount > 0 && !this.closed;
      if (this.owesRenewal) this.open();
    }
    for (const link of this.links) {
      link.tick(nowMs);
      const idle = link.tunnel.streams.size === 0 && nowMs - link.idleSinceMs > IDLE_CLOSE_MS;
      if (idle && !link.isClosed) link.drain(TunnelError.idle);
    }
  }

  /** Nobody needs it any more: ends when the streams do. */
  close(): void {
    this.closed = true;
    for (const link of this.links) link.drain(TunnelError.shutdown);
  }

  destroy(): void {
    this.closed = true;
    for (const link of this.links) link.destroy();
  }
}
