// hot: every tunnel byte passes here
/**
 * A tunnel on its TLS socket. One write is under way at a time; what is queued meanwhile goes out together when it is
 * done. With few streams a frame leaves at the end of the event that made it; with many, at the end of the loop's turn,
 * so that they share one write: an encrypted write costs the same whatever its size.
 */
import type { TLSSocket } from "node:tls";
import { TunnelError } from "../core/tunnel/frames.ts";
import type { OpenFrame, TunnelErrorId } from "../core/tunnel/frames.ts";
import type { SlabPool } from "../core/tunnel/outbox.ts";
import type { StreamHandler, TunnelStream } from "../core/tunnel/stream.ts";
import type { TunnelHandler } from "../core/tunnel/sender.ts";
import { Tunnel } from "../core/tunnel/tunnel.ts";
import { adoptSocket, tlsReadBuffer } from "../io/sockets/adopt.ts";
import { enter, leave, schedule } from "../io/sockets/turn.ts";
import type { Flushable } from "../io/sockets/turn.ts";

/** Up to this many streams nobody waits for company. */
const EAGER_STREAMS_MAX = 4;
/** A peer that broke the protocol has this long to read why. */
const ERROR_LINGER_MS = 1_000;
/** Between the two steps of GOAWAY: more than a round trip. */
const GOAWAY_STEP_MS = 1_000;
/**
 * A host that lost its power sends no reset. A peer that was silent for so long is asked, and given up when it stays
 * silent: soon where somebody waits for it, late where nobody does.
 */
const PING_AFTER_MS = { busy: 3_000, idle: 15_000 } as const;
const SILENCE_MAX_MS = { busy: 10_000, idle: 40_000 } as const;

export interface LinkOptions {
  readonly opener: boolean;
  readonly slabs: SlabPool;
  /** Accepting side. */
  readonly onOpen: (stream: TunnelStream, open: OpenFrame, link: TunnelLink) => StreamHandler | number;
  /** The link is gone; its streams have been told. */
  readonly onClosed: (link: TunnelLink) => void;
  /** It takes no more streams. */
  readonly onDraining?: (link: TunnelLink) => void;
  /** The peer said that it will take no more streams, and why. */
  readonly onPeerLeaving?: (code: number) => void;
}

export class TunnelLink implements TunnelHandler, Flushable {
  readonly tunnel: Tunnel;
  readonly socket: TLSSocket;
  scheduled = false;
  draining = false;
  /** Since when it has no stream; monotonic ms. */
  idleSinceMs = performance.now();
  private readonly options: LinkOptions;
  private busy = false;
  private closing = false;
  private closed = false;
  private heardMs = performance.now();
  private wasIdle = true;
  private pingedMs = performance.now();

  constructor(socket: TLSSocket, options: LinkOptions) {
    this.socket = socket;
    this.options = options;
    this.tunnel = new Tunnel({ opener: options.opener, slabs: options.slabs, handler: this });
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("end", () => this.socketEnded());
    socket.on("close", () => this.socketClosed());
    adoptSocket(socket, tlsReadBuffer, (bytes, count) => this.received(bytes, count));
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** Streams may be opened. */
  get isUsable(): boolean {
    return !this.closed && !this.draining && !this.closing && !this.tunnel.goneAway && !this.tunnel.isEnded;
  }

  private received(bytes: Uint8Array, count: number): void {
    enter();
    this.heardMs = performance.now();
    this.tunnel.receive(bytes, 0, count);
    leave();
  }

  wantsTurn(): boolean {
    return this.tunnel.streams.size > EAGER_STREAMS_MAX;
  }

  onOutput(full: boolean): void {
    if (this.busy) return;
    if (full) this.flush();
    else schedule(this);
  }

  flush(): void {
    if (this.busy || this.closed) return;
    const size = this.tunnel.prepare();
    if (size === 0) {
      this.closeIfDone();
      return;
    }
    const slab = this.tunnel.take();
    this.busy = true;
    this.socket.write(size === slab.length ? slab : slab.subarray(0, size), (error) => {
      this.busy = false;
      this.options.slabs.release(slab);
      if (error) return; // 'close' follows
      if (this.tunnel.hasOutput) schedule(this);
      else this.closeIfDone();
    });
  }

  /** Ends in order: no new streams, those that run may finish. The accepting side tells its peer in two steps. */
  drain(code: TunnelErrorId): void {
    if (this.draining || this.closed) return;
    this.draining = true;
    this.options.onDraining?.(this);
    if (!this.options.opener) {
      this.tunnel.goaway(code, false);
      setTimeout(() => {
        if (!this.closed) this.tunnel.goaway(code, true);
        this.closing = true;
        this.closeIfDone();
      }, GOAWAY_STEP_MS).unref();
      return;
    }
    this.closing = true;
    this.closeIfDone();
  }

  private closeIfDone(): void {
    if (!this.closing || this.closed || this.tunnel.streams.size > 0 || this.tunnel.hasOutput || this.busy) return;
    this.socket.end();
  }

  destroy(): void {
    if (this.closed) return;
    this.socket.destroy();
    this.socketClosed();
  }

  /** About once a second. */
  tick(nowMs: number): void {
    this.tunnel.tick();
    const phase = this.tunnel.streams.size > 0 ? "busy" : "idle";
    if (phase === "busy" && this.wasIdle) this.heardMs = nowMs; // what nobody asked for was not late
    this.wasIdle = phase === "idle";
    if (nowMs - this.heardMs > SILENCE_MAX_MS[phase]) {
      this.destroy();
    } else if (nowMs - Math.max(this.heardMs, this.pingedMs) > PING_AFTER_MS[phase]) {
      this.pingedMs = nowMs;
      this.tunnel.ping(nowMs);
    }
  }

  onOpen(stream: TunnelStream, open: OpenFrame): StreamHandler | number {
    return this.options.onOpen(stream, open, this);
  }

  onGoaway(_lastStream: number, code: number): void {
    if (this.draining) return;
    this.options.onPeerLeaving?.(code);
    this.draining = true;
    this.closing = this.options.opener;
    this.options.onDraining?.(this);
    this.closeIfDone();
  }

  onError(): void {
    this.draining = true;
    this.closing = true;
    schedule(this); // the GOAWAY that says why; then the socket ends
    setTimeout(() => this.destroy(), ERROR_LINGER_MS).unref();
  }

  onIdle(): void {
    this.idleSinceMs = performance.now();
    if (this.closing) setImmediate(() => this.closeIfDone());
  }

  private socketEnded(): void {
    // The peer ends its side only when it is done with all streams.
    this.draining = true;
    this.closing = true;
    if (!this.tunnel.isEnded) this.tunnel.abort(TunnelError.shutdown);
    this.socket.end();
  }

  private socketClosed(): void {
    if (this.closed) return;
    this.closed = true;
    enter();
    this.tunnel.abort(TunnelError.none);
    leave();
    this.options.onClosed(this);
  }
}
