/**
 * The host's one mTLS port. The server name says which local service is called, the client's certificate who calls;
 * ALPN says whether a tunnel of another proxy comes (`mesh/1`) or any client with a certificate of the mesh
 * (`http/1.1`, also when nothing was offered).
 */
import type { Socket } from "node:net";
import { createServer } from "node:tls";
import type { Server, TLSSocket } from "node:tls";
import { parseSni } from "../core/model/spiffe.ts";
import { Refusal, ResetCode, StreamProtocol, TunnelError, EXTENSION_CRITICAL } from "../core/tunnel/frames.ts";
import type { OpenFrame } from "../core/tunnel/frames.ts";
import type { SlabPool } from "../core/tunnel/outbox.ts";
import type { StreamHandler, TunnelStream } from "../core/tunnel/stream.ts";
import { NO_OWNER } from "../io/sockets/pipe.ts";
import { SocketPipe } from "../io/sockets/socket-pipe.ts";
import { sniServerTlsOptions } from "../io/tls/context.ts";
import { peerIdentity } from "../io/tls/identity.ts";
import { openPipe } from "./app-pool.ts";
import { HttpExchange } from "./http-exchange.ts";
import type { Identity, Trust } from "./identity.ts";
import { InboundHttp, isAllowed, makeCaller } from "./inbound-http.ts";
import type { Caller } from "./inbound-http.ts";
import { TunnelLink } from "./link.ts";
import type { LocalInstance, LocalService } from "./local-service.ts";
import type { Stats } from "./stats.ts";
import { StreamPipe } from "./stream-pipe.ts";
import { TcpRelay } from "./tcp-relay.ts";
import { TUNNEL_ALPN } from "./tunnel-group.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Exchange objects of finished streams that are kept for the next. */
const SPARE_MAX = 256;

export interface InboundDeps {
  readonly stats: Stats;
  readonly slabs: SlabPool;
  readonly services: () => ReadonlyMap<string, LocalService>;
  readonly identities: () => ReadonlyMap<string, Identity>;
  readonly trust: () => Trust;
  /** A line for the log. */
  readonly say: (line: string) => void;
}

/** One accepted connection. */
interface Session {
  readonly caller: Caller;
  /** End of the peer's certificate, wall ms: no stream is accepted past it. */
  readonly notAfterMs: number;
  /** Streams that run are cut at this time, wall ms: the end of the newest certificate that this caller has shown. */
  cutAtMs: number;
  /** The peer's address. */
  readonly address: string;
  readonly certificate: string;
  readonly link: TunnelLink | undefined;
  readonly exchange: HttpExchange | undefined;
  /** A hop per instance that streams of this session name. */
  readonly hops: Map<LocalInstance, { hop: InboundHttp; spare: HttpExchange[] }>;
}

export class Inbound {
  private readonly deps: InboundDeps;
  private readonly tls: Server;
  private readonly sessions = new Set<Session>();
  private draining = false;

  constructor(deps: InboundDeps) {
    this.deps = deps;
    this.tls = createServer({
      ...sniServerTlsOptions({
        contextFor: (servername) => this.serviceFor(servername)?.identity.context,
        alpn: [TUNNEL_ALPN, "http/1.1"],
      }),
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    this.tls.on("secureConnection", (socket) => {
      try {
        this.secured(socket);
      } catch (error) {
        // Whatever a certificate holds, it must not end the process for everybody else.
        this.deps.say(`refused a connection from ${socket.remoteAddress}: ${String(error)}`);
        socket.destroy();
      }
    });
    this.tls.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
      // One that just went away is a port check, not a client.
      const from = socket.remoteAddress ?? "a client";
      if (error.code !== "ECONNRESET") this.deps.say(`a handshake from ${from} failed: ${error.message}`);
      socket.destroy();
    });
  }

  private serviceFor(servername: string): { service: LocalService; identity: Identity } | undefined {
    const name = parseSni(servername, this.deps.trust().trustDomain);
    if (name === undefined) return undefined;
    const key = `${name.namespace}/${name.name}`;
    const service = this.deps.services().get(key);
    const identity = this.deps.identities().get(key);
    return service === undefined || identity === undefined ? undefined : { service, identity };
  }

  /** The service whose connections run, though it may have left the configuration. */
  serviceInUse(key: string): LocalService | undefined {
    for (const { caller } of this.sessions) if (caller.service.key === key) return caller.service;
    return undefined;
  }

  get tunnelCount(): number {
    let count = 0;
    for (const session of this.sessions) if (session.link !== undefined) count++;
    return count;
  }

  get streamCount(): number {
    let count = 0;
    for (const { link } of this.sessions) count += link?.tunnel.streams.size ?? 0;
    return count;
  }

  get connectionCount(): number {
    return this.sessions.size;
  }

  /** A connection from the listener. */
  accept(socket: Socket): void {
    socket.on("error", () => undefined);
    this.tls.emit("connection", socket);
  }

  private secured(socket: TLSSocket): void {
    socket.on("error", () => undefined);
    const { trustDomain, rootsPem } = this.deps.trust();
    const found = typeof socket.servername === "string" ? this.serviceFor(socket.servername) : undefined;
    const peer = peerIdentity(socket, { trustDomain, rootsPem });
    if (found === undefined || !peer.ok || peer.id.kind !== "service") {
      const why = peer.ok ? "its certificate is not a service's" : peer.reason;
      this.deps.say(`refused a connection from ${socket.remoteAddress}: ${why}`);
      socket.destroy();
      return;
    }
    const caller = makeCaller(peer.id, found.service, trustDomain, this.deps.stats);
    const base = {
      caller, notAfterMs: peer.notAfterMs, cutAtMs: peer.notAfterMs, address: socket.remoteAddress ?? "",
      hops: new Map(), certificate: found.identity.config.chainPem,
    };
    if (socket.alpnProtocol === TUNNEL_ALPN) this.startTunnel(socket, base);
    else this.startPlain(socket, base);
  }

  private startTunnel(socket: TLSSocket, base: Omit<Session, "link" | "exchange">): void {
    const link: TunnelLink = new TunnelLink(socket, {
      opener: false,
      slabs: this.deps.slabs,
      onOpen: (stream, open) => this.open(session, stream, open),
      onClosed: () => this.sessions.delete(session),
    });
    const session: Session = { ...base, link, exchange: undefined };
    this.vouch(session);
    this.sessions.add(session);
    if (this.draining) link.drain(TunnelError.shutdown);
  }

  /**
   * A caller that shows a newer certificate from the same address has renewed: what runs on its older tunnels runs on.
   * One that was refused a renewal cannot, and is cut when its last certificate ends.
   */
  private vouch({ caller, address, notAfterMs }: Session): void {
    for (const old of this.sessions) {
      if (old.link === undefined || old.caller.key !== caller.key || old.address !== address) continue;
      old.cutAtMs = Math.max(old.cutAtMs, notAfterMs);
    }
  }

  /** Any TLS client with a certificate of the mesh: HTTP/1.1 requests to whichever instance is ready. */
  private startPlain(socket: TLSSocket, base: Omit<Session, "link" | "exchange">): void {
    const pipe = new SocketPipe(socket, NO_OWNER, true);
    const hop = new InboundHttp({
      caller: base.caller, instance: undefined, meshClient: false, onClosed: () => this.sessions.delete(session),
    });
    const exchange = new HttpExchange(pipe, hop, performance.now());
    const session: Session = { ...base, link: undefined, exchange };
    this.sessions.add(session);
    pipe.start();
    if (this.draining) exchange.drain();
  }

  private open(session: Session, stream: TunnelStream, open: OpenFrame): StreamHandler | number {
    const { caller } = session;
    const { service } = caller;
    if (open.extensions.some(({ type }) => (type & EXTENSION_CRITICAL) !== 0)) return Refusal.extensionUnsupported;
    const instance = open.instanceId === "" ? service.anyReady() : service.instance(open.instanceId);
    if (instance === undefined) return Refusal.unknownInstance;
    if (instance.config.draining) return Refusal.draining;
    const pipe = new StreamPipe(session.link!.tunnel, stream, NO_OWNER);
    if (open.protocol === StreamProtocol.http) {
      this.startStream(session, instance, pipe);
      return pipe;
    }
    if (service.config.protocol === "http") return Refusal.protocolUnsupported;
    if (!isAllowed(caller)) {
      caller.series.denied++;
      return Refusal.denied;
    }
    startTcp(caller, instance, pipe);
    return pipe;
  }

  private startStream(session: Session, instance: LocalInstance, pipe: StreamPipe): void {
    let entry = session.hops.get(instance);
    if (entry === undefined) {
      const spare: HttpExchange[] = [];
      const onClosed = (exchange: HttpExchange): void => {
        if (exchange.isReusable && spare.length < SPARE_MAX) spare.push(exchange);
      };
      entry = { hop: new InboundHttp({ caller: session.caller, instance, meshClient: true, onClosed }), spare };
      session.hops.set(instance, entry);
    }
    const spare = entry.spare.pop();
    if (spare === undefined) void new HttpExchange(pipe, entry.hop, 0);
    else spare.reuse(pipe);
  }

  /** Who may call `service` changed: what is no longer allowed is cut. Returns how many streams and connections. */
  enforce(service: LocalService): number {
    let cuts = 0;
    for (const { caller, link, exchange } of this.sessions) {
      if (caller.service !== service || isAllowed(caller)) continue;
      if (exchange !== undefined && exchange.busy) {
        exchange.abort();
        cuts++;
      }
      if (link === undefined) continue;
      for (const stream of link.tunnel.streams.values()) {
        if (!(stream.handler instanceof StreamPipe)) continue;
        stream.handler.kill(ResetCode.policyChanged);
        cuts++;
      }
    }
    return cuts;
  }

  /** Certificates or roots changed: tunnels of older ones end when their streams do. */
  renew(rootsChanged: boolean): void {
    const identities = this.deps.identities();
    for (const { caller, certificate, link, exchange } of this.sessions) {
      const now = identities.get(caller.service.key);
      if (!rootsChanged && now?.config.chainPem === certificate) continue;
      link?.drain(TunnelError.certificateChanged);
      exchange?.drain();
    }
  }

  /** Instances or services went: hops that name them are forgotten. */
  forgetInstances(): void {
    const services = this.deps.services();
    for (const session of this.sessions) {
      const { service } = session.caller;
      if (services.get(service.key) !== service) {
        session.link?.drain(TunnelError.shutdown);
        session.exchange?.drain();
      }
      for (const instance of session.hops.keys()) {
        if (service.instance(instance.config.id) !== instance) session.hops.delete(instance);
      }
    }
  }

  tick(nowMs: number, wallMs: number): void {
    for (const session of this.sessions) {
      if (wallMs > session.cutAtMs) {
        session.link?.destroy();
        session.exchange?.abort();
        continue;
      }
      if (wallMs > session.notAfterMs) session.link?.drain(TunnelError.certificateChanged);
      session.link?.tick(nowMs);
      session.exchange?.tick(nowMs);
    }
  }

  drain(): void {
    this.draining = true;
    for (const { link, exchange } of this.sessions) {
      link?.drain(TunnelError.shutdown);
      exchange?.drain();
    }
  }

  destroy(): void {
    for (const { link, exchange } of this.sessions) {
      link?.destroy();
      exchange?.abort();
    }
  }
}

function startTcp(caller: Caller, instance: LocalInstance, pipe: StreamPipe): void {
  const { series } = caller;
  series.active++;
  series.tcpConnections++;
  const up = openPipe(instance.pool.host, instance.pool.port);
  const relay = new TcpRelay(pipe, {
    again: () => {
      if (up.wasOpened) return false;
      // Nothing reached the application: the caller's proxy may try another instance.
      pipe.refuse(Refusal.connectFailed);
      relay.abandon();
      return true;
    },
    onOver: (ended) => {
      series.active--;
      series.relays.delete(ended);
      series.tcpSentBytes += ended.sentBytes;
      series.tcpReceivedBytes += ended.receivedBytes;
    },
  });
  series.relays.add(relay);
  relay.attach(up);
}
