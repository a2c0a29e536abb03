// hot: every request runs through here on both hosts
/**
 * One client connection (or tunnel stream) of HTTP/1.1, one exchange at a time: the request's side. Bytes are parsed,
 * what the grammar accepted is written anew for the next hop, and the upstream that the hop attached gets it. The
 * answer's side is HttpUpstream. Pipelined requests wait their turn: nothing is parsed beyond the request under way.
 *
 *   idle ── head ──▶ routing ── attach ──▶ sending ── answer complete ──▶ idle
 *                       └────── answer (our own) ────────────────────────▶ idle or closing
 */
import { Framing, Method, type MethodId } from "../core/http/constants.ts";
import { HTTP_ERRORS, type HttpErrorInfo } from "../core/http/errors.ts";
import type { Fields } from "../core/http/fields.ts";
import type { Head } from "../core/http/head.ts";
import { HttpParser } from "../core/http/parser.ts";
import { errorResponse } from "../core/http/respond.ts";
import type { HttpSink } from "../core/http/sink.ts";
import { PROXY_ERRORS, type ProxyErrorCode } from "../core/model/proxy-errors.ts";
import type { Endpoint } from "../core/traffic/balance.ts";
import { NO_OWNER } from "../io/sockets/pipe.ts";
import type { Pipe, PipeEnd, PipeOwner } from "../io/sockets/pipe.ts";
import { SocketPipe } from "../io/sockets/socket-pipe.ts";
import { HeldBytes } from "./held-bytes.ts";
import type { HttpHop } from "./http-hop.ts";
import { HttpRequestOut } from "./http-request-out.ts";
import { HttpUpstream } from "./http-upstream.ts";
import { SlowClient } from "./slow-client.ts";

/** Client bytes after the request under way. */
const HELD_MAX = 262_144;
/** Rest of a request body whose answer is out already: read and thrown away up to here, then the connection ends. */
const DISCARD_MAX = 1_048_576;

const NONE_TRIED: readonly Endpoint[] = [];

export class HttpExchange implements PipeOwner, HttpSink {
  down: Pipe;
  readonly hop: HttpHop;
  readonly upstream: HttpUpstream;
  readonly out: HttpRequestOut;
  /** Where the request is, for the hop: undefined when it has given it up. */
  target: unknown = undefined;
  /** Where it was tried before. */
  tried: readonly Endpoint[] = NONE_TRIED;

  // The request under way; valid while `busy`.
  busy = false;
  methodId: MethodId = Method.other;
  versionMinor = 1;
  keepAlive = true;
  upgradeAsked = false;
  /** Expect: 100-continue, and nothing of the body came yet. */
  expects = false;
  requestDone = false;
  startedMs = 0;
  /** Of the answer: 0 until it began. */
  status = 0;
  attempts = 0;

  /** Opaque bytes both ways after a switch of protocols. */
  raw = false;
  private readonly parser: HttpParser;
  private discarding = false;
  private discarded = 0;
  private readonly held = new HeldBytes();
  private readonly slow: SlowClient;
  private downPaused = false;
  private downBlocked = false;
  private eof = false;
  private closed = false;
  private unfit = false;
  private draining = false;

  constructor(down: Pipe, hop: HttpHop, nowMs: number) {
    this.down = down;
    this.hop = hop;
    this.parser = new HttpParser("request", this);
    this.upstream = new HttpUpstream(this);
    this.out = new HttpRequestOut(this.upstream);
    this.slow = new SlowClient(nowMs);
    down.owner = this;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** Ended between two messages: fit for another stream. */
  get isReusable(): boolean {
    // After a request that said close the parser takes nothing more.
    return this.parser.idle && this.parser.head.keepAlive && this.parser.error === 0 && !this.raw
      && !this.upstream.isBroken && !this.unfit;
  }

  /** Serves another stream of the same hop. */
  reuse(down: Pipe): void {
    this.closed = false;
    this.eof = false;
    this.keepAlive = true;
    this.downPaused = false;
    this.downBlocked = false;
    this.down = down;
    down.owner = this;
  }

  // The client's bytes.

  onBytes(bytes: Uint8Array, from: number, to: number): void {
    if (this.held.size > 0) this.hold(bytes, from, to);
    else this.feed(bytes, from, to);
  }

  private feed(bytes: Uint8Array, from: number, to: number): void {
    let p = from;
    while (p < to && !this.closed) {
      if (this.raw) {
        this.upstream.write(bytes, p, to);
        return;
      }
      // No further request for a client that does not read its answers: each would add to what waits for it.
      if (this.busy ? this.requestDone : this.downBlocked) {
        this.hold(bytes, p, to);
        return;
      }
      if (!this.busy && this.parser.idle) this.slow.restart(performance.now());
      p = this.parser.execute(bytes, p, to);
      if (this.parser.error !== 0) {
        this.refuse(HTTP_ERRORS[this.parser.error]!);
        return;
      }
    }
  }

  /** Bytes of later requests, or of a protocol that is not agreed on yet. */
  private hold(bytes: Uint8Array, from: number, to: number): void {
    this.held.add(bytes, from, to);
    if (this.held.size > HELD_MAX) this.abort();
    else this.pauseDown();
  }

  /** Goes on with what was held back: opaque bytes, or the next request. What it cannot take is held back again. */
  private unhold(): void {
    if (this.held.size > 0 && !this.closed && (this.raw || (!this.busy && !this.downBlocked))) {
      const bytes = this.held.take();
      this.feed(bytes, 0, bytes.length);
    }
    if (this.held.size === 0 && !this.upstream.isBlocked) this.resumeDown();
    if (!this.eof || this.raw || this.held.size > 0) return;
    if (!this.busy) this.close();
    else if (!this.requestDone) this.abort(); // the rest of it will never come
  }

  private pauseDown(): void {
    if (this.downPaused || this.closed) return;
    this.downPaused = true;
    this.down.pause();
  }

  private resumeDown(): void {
    if (!this.downPaused || this.closed) return;
    this.downPaused = false;
    this.slow.body();
    this.down.resume();
  }

  onEof(): void {
    this.eof = true;
    if (this.raw) this.upstream.end();
    else if (!this.busy && this.held.size === 0) {
      if (this.parser.inHead) this.abort();
      else this.close();
    } else if (this.busy && !this.requestDone) this.abort();
  }

  onGone(_reason: PipeEnd): void {
    if (!this.closed) this.giveUp();
  }

  onBlocked(): void {
    this.downBlocked = true;
    this.upstream.pause();
  }

  onDrain(): void {
    this.downBlocked = false;
    this.upstream.resume();
    if (this.held.size > 0 && !this.busy) this.unhold();
  }

  // The request, from the parser.

  onHead(head: Head): void {
    this.busy = true;
    this.requestDone = false;
    this.status = 0;
    this.attempts = 0;
    this.methodId = head.methodId;
    this.versionMinor = head.versionMinor;
    this.keepAlive = head.keepAlive && !this.draining;
    this.upgradeAsked = head.upgrade || head.methodId === Method.connect;
    this.expects = head.expectContinue;
    this.startedMs = performance.now();
    this.slow.restart(this.startedMs);
    this.hop.route(this, head);
  }

  /** For the hop, from `route`. */
  prepare(head: Head): void {
    this.out.head(head, this.hop);
  }

  /** For the hop: the request goes to this pipe. May be called again for another attempt. */
  attach(pipe: Pipe): void {
    this.attempts++;
    this.upstream.attach(pipe, this.methodId, this.upgradeAsked);
    if (this.downBlocked) pipe.pause();
    this.out.flush();
    if (this.requestDone) this.hop.requestSent(this);
    else if (!this.upstream.isBlocked) this.resumeDown();
  }

  onBody(bytes: Uint8Array, from: number, to: number): void {
    this.expects = false;
    this.slow.body(to - from);
    if (this.discarding) {
      this.discarded += to - from;
      if (this.discarded > DISCARD_MAX) this.close();
      return;
    }
    this.out.body(bytes, from, to);
    if (!this.upstream.isAttached) this.pauseDown(); // nobody takes it yet
  }

  onTrailers(trailers: Fields): void {
    if (!this.discarding) this.out.trailers(trailers);
  }

  onEnd(): void {
    if (!this.discarding) this.out.end();
    this.requestDone = true;
    if (this.discarding) {
      this.discarding = false;
      this.next();
    } else if (this.upstream.isAttached) this.hop.requestSent(this);
  }

  // What the upstream tells.

  /** The upstream cannot take more, or again can. */
  upstreamBlocked(blocked: boolean): void {
    if (blocked) this.pauseDown();
    else if (this.held.size === 0) this.resumeDown();
  }

  /** The protocol was switched. */
  switchRaw(): void {
    this.raw = true;
    this.out.replay.spend();
    this.hop.settle(this);
    this.unhold();
    if (this.eof) this.upstream.end();
  }

  rawOver(): void {
    this.busy = false;
    this.hop.release(this, false);
    this.close();
  }

  /** The answer is out. `clean`: nothing speaks against using the upstream again. */
  answered(clean: boolean, goesOn: boolean): void {
    this.hop.release(this, clean && this.requestDone);
    this.out.replay.reset();
    this.hop.settle(this);
    if (!goesOn) this.keepAlive = false;
    if (this.requestDone) {
      this.next();
      return;
    }
    // Whether the body follows or the next request, nobody can tell (RFC 9110 section 10.1.1).
    if (this.expects && !this.hop.meshClient) return this.close();
    // An early answer (RFC 9112 section 9.3): the rest of the body is read and thrown away.
    this.discarding = true;
    this.discarded = 0;
    this.resumeDown();
  }

  private next(): void {
    this.busy = false;
    this.tried = NONE_TRIED;
    if (this.hop.meshClient || !this.keepAlive) {
      this.close();
      return;
    }
    this.slow.restart(performance.now());
    if (this.held.size > 0 || this.downPaused || this.eof) this.unhold();
  }

  /** The upstream ended before the answer began. */
  upstreamFailed(code: ProxyErrorCode, mayRetry: boolean): void {
    if (mayRetry && this.hop.again(this, !this.out.replay.spent)) return;
    this.hop.release(this, false);
    this.answer(code);
  }

  /** The answer broke off after it had begun: the client has to notice. */
  upstreamBroke(): void {
    this.hop.release(this, false);
    this.abort();
  }

  /** Our own answer. */
  answer(code: ProxyErrorCode, message?: string): void {
    if (this.closed) return;
    const { status, message: usual } = PROXY_ERRORS[code];
    this.status = status;
    const close = !this.keepAlive || (!this.requestDone && (this.expects || !isShort(this.parser.head)));
    const bytes = errorResponse({
      status, code, message: message ?? this.hop.explain(this, code) ?? usual, close: close && !this.hop.meshClient,
      headOnly: this.methodId === Method.head,
    });
    this.down.write(bytes, 0, bytes.length);
    this.answered(false, !close);
  }

  /** The client is at fault: says so if nothing was answered yet, and ends the connection. */
  private refuse({ status, code, message }: HttpErrorInfo): void {
    if (this.busy) {
      // In the body: the upstream has a part of it.
      if (this.status !== 0 || this.discarding) return this.abort();
      this.upstream.cancel();
      this.hop.release(this, false);
      this.status = status;
      this.hop.settle(this);
    }
    const bytes = errorResponse({ status, code, message, close: true });
    this.down.write(bytes, 0, bytes.length);
    this.close();
  }

  // Ends.

  /** In order: what was written is delivered, then the connection ends. */
  private close(): void {
    if (this.closed) return;
    this.closed = true;
    this.busy = false;
    this.down.owner = NO_OWNER;
    if (this.down instanceof SocketPipe) this.down.finish();
    else this.down.end();
    this.finishClosing();
  }

  abort(): void {
    if (this.closed) return;
    this.down.destroy();
    this.giveUp();
  }

  /** The client is gone, or was told by the hop: the end of whatever was under way. */
  giveUp(): void {
    this.closed = true;
    this.unfit = true;
    if (this.busy) {
      this.upstream.cancel();
      this.hop.release(this, false);
      if (!this.raw && !this.discarding) this.hop.settle(this);
      this.busy = false;
    }
    this.finishClosing();
  }

  private finishClosing(): void {
    this.out.replay.reset();
    this.held.clear();
    this.hop.closed(this);
  }

  /** No new request on this connection: ends at once when idle, else after the answer. */
  drain(): void {
    this.draining = true;
    this.keepAlive = false;
    if (!this.busy && !this.parser.inHead) this.close();
  }

  /** About once a second: ends what takes too long. Streams of a tunnel are their opener's to time. */
  tick(nowMs: number): void {
    if (this.closed || this.raw || this.hop.meshClient) return;
    const { busy, requestDone, downPaused: paused } = this;
    switch (this.slow.judge(nowMs, { busy, requestDone, paused, inHead: this.parser.inHead })) {
      case "head": return this.refuse({ code: "request_timeout", ...PROXY_ERRORS.request_timeout });
      case "idle": return this.close();
      case "body": return this.refuse({ code: "body_timeout", ...PROXY_ERRORS.body_timeout });
      default:
    }
  }
}

/** The rest of such a request is worth reading to keep the connection; without a body there is none. */
const isShort = ({ framing, contentLength }: Head): boolean =>
  framing === Framing.none || (framing === Framing.length && contentLength <= DISCARD_MAX);
