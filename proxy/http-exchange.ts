// hot: every request runs through here on both hosts
/* oxlint-disable max-lines */
/**
 * One client connection (or tunnel stream) of HTTP/1.1, one exchange at a time: the request's side. Bytes are parsed,
 * what the grammar accepted is written anew for the next hop, and the upstream that the hop attached gets it. The
 * answer's side is HttpUpstream. Pipelined requests wait their turn: nothing is parsed beyond the request under way.
 *
 *   idle ── head ──▶ routing ── attach ──▶ sending ── answer complete ──▶ idle
 *                       └────── answer (our own) ────────────────────────▶ idle or closing
 */
import { Framing, METHOD_NAMES, Method } from "../core/http/constants.ts";
import type { MethodId } from "../core/http/constants.ts";
import { HTTP_ERRORS } from "../core/http/errors.ts";
import type { Fields } from "../core/http/fields.ts";
import type { Head } from "../core/http/head.ts";
import { HttpParser } from "../core/http/parser.ts";
import { errorResponse } from "../core/http/respond.ts";
import {
  CHUNK_END, CHUNK_HEADER_BYTES_MAX, HeadEdits, LAST_CHUNK, serializeHead, serializeTrailers, serializedBytesMax,
  trailersBytesMax, writeChunkHeader,
} from "../core/http/serialize.ts";
import type { HttpSink } from "../core/http/sink.ts";
import { PROXY_ERRORS } from "../core/model/proxy-errors.ts";
import type { ProxyErrorCode } from "../core/model/proxy-errors.ts";
import type { Endpoint } from "../core/traffic/balance.ts";
import { NO_OWNER } from "../io/sockets/pipe.ts";
import type { Pipe, PipeEnd, PipeOwner } from "../io/sockets/pipe.ts";
import { SocketPipe } from "../io/sockets/socket-pipe.ts";
import type { HttpHop } from "./http-hop.ts";
import { HttpUpstream } from "./http-upstream.ts";
import { REPLAY_MAX, Replay } from "./replay.ts";

/** Client bytes after the request under way: one read, and the rest of a TLS record or window. */
const HELD_MAX = 262_144;
/** Rest of a request body whose answer is out already: read and thrown away up to here, then the connection ends. */
const DISCARD_MAX = 1_048_576;

const HEAD_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 75_000;
/** A body must bring BODY_BYTES_MIN in every such period in which we would have taken it. */
const BODY_PERIOD_MS = 10_000;
const BODY_BYTES_MIN = 1_024;

const NONE_TRIED: readonly Endpoint[] = [];
const chunkHeader = new Uint8Array(CHUNK_HEADER_BYTES_MAX);

export class HttpExchange implements PipeOwner, HttpSink {
  down: Pipe;
  readonly hop: HttpHop;
  readonly upstream: HttpUpstream;
  readonly replay = new Replay();
  readonly edits = new HeadEdits();
  /** Where the request is, for the hop: undefined when it has given it up. */
  target: unknown = undefined;
  /** Where it was tried before. */
  tried: readonly Endpoint[] = NONE_TRIED;

  // The request under way; valid while `busy`.
  busy = false;
  methodId: MethodId = Method.other;
  methodName = "";
  versionMinor = 1;
  keepAlive = true;
  upgradeAsked = false;
  requestDone = false;
  startedMs = 0;
  /** Of the answer: 0 until it began. */
  status = 0;
  attempts = 0;

  /** Opaque bytes both ways after a switch of protocols. */
  raw = false;
  private readonly parser: HttpParser;
  private chunked = false;
  private discarding = false;
  private discarded = 0;
  private held: Uint8Array[] = [];
  private heldSize = 0;
  private downPaused = false;
  private eof = false;
  private closed = false;
  private unfit = false;
  private sinceMs: number;
  private bodyBytes = 0;

  constructor(down: Pipe, hop: HttpHop, nowMs: number) {
    this.down = down;
    this.hop = hop;
    this.parser = new HttpParser("request", this);
    this.upstream = new HttpUpstream(this);
    this.sinceMs = nowMs;
    down.owner = this;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** Ended between two messages: fit for another stream. */
  get isReusable(): boolean {
    return this.parser.idle && this.parser.error === 0 && !this.raw && !this.upstream.isBroken && !this.unfit;
  }

  /** Serves another stream of the same hop. */
  reuse(down: Pipe): void {
    this.closed = false;
    this.eof = false;
    this.keepAlive = true;
    this.downPaused = false;
    this.down = down;
    down.owner = this;
  }

  /** For a hop that has told the client itself: the exchange ends without an answer of ours. */
  discardUnanswered(): void {
    this.closed = true;
    this.unfit = true;
    this.over();
    this.finishClosing();
  }

  // The client's bytes.

  onBytes(bytes: Uint8Array, from: number, to: number): void {
    if (this.heldSize > 0) this.hold(bytes, from, to);
    else this.feed(bytes, from, to);
  }

  private feed(bytes: Uint8Array, from: number, to: number): void {
    let p = from;
    while (p < to && !this.closed) {
      if (this.raw) {
        this.upstream.write(bytes, p, to);
        return;
      }
      if (this.busy && this.requestDone) {
        this.hold(bytes, p, to);
        return;
      }
      if (!this.busy && this.parser.idle) this.sinceMs = performance.now();
      p = this.parser.execute(bytes, p, to);
      if (this.parser.error !== 0) {
        this.refuseRequest();
        return;
      }
    }
  }

  /** Bytes of later requests, or of a protocol that is not agreed on yet. */
  private hold(bytes: Uint8Array, from: number, to: number): void {
    this.held.push(bytes.slice(from, to));
    this.heldSize += to - from;
    if (this.heldSize > HELD_MAX) this.abort();
    else this.pauseDown();
  }

  /** Goes on with what was held back; `raw` or the next request. */
  private unhold(): void {
    while (this.heldSize > 0 && !this.closed && (this.raw || !this.busy)) {
      const piece = this.held.shift()!;
      this.heldSize -= piece.length;
      const rest = this.held;
      const restSize = this.heldSize;
      this.held = [];
      this.heldSize = 0;
      this.feed(piece, 0, piece.length);
      // What `feed` held back again comes before the pieces behind it.
      this.held = this.held.concat(rest);
      this.heldSize += restSize;
    }
    if (this.heldSize === 0 && !this.upstream.isBlocked) this.resumeDown();
    if (this.eof && !this.busy && !this.raw && this.heldSize === 0) this.close();
  }

  private pauseDown(): void {
    if (this.downPaused || this.closed) return;
    this.downPaused = true;
    this.down.pause();
  }

  private resumeDown(): void {
    if (!this.downPaused || this.closed) return;
    this.downPaused = false;
    this.bodyBytes = BODY_BYTES_MIN; // the period in which we did not read does not count
    this.down.resume();
  }

  onEof(): void {
    this.eof = true;
    if (this.raw) this.upstream.end();
    else if (!this.busy && this.heldSize === 0) {
      if (this.parser.inHead) this.abort();
      else this.close();
    } else if (this.busy && !this.requestDone) this.abort();
    else this.keepAlive = false;
  }

  onGone(_reason: PipeEnd): void {
    if (this.closed) return;
    this.closed = true;
    this.unfit = true;
    if (this.busy) {
      this.upstream.cancel();
      this.over();
    }
    this.finishClosing();
  }

  onBlocked(): void {
    this.upstream.pause();
  }

  onDrain(): void {
    this.upstream.resume();
  }

  // The request, from the parser.

  onHead(head: Head): void {
    this.busy = true;
    this.requestDone = false;
    this.status = 0;
    this.attempts = 0;
    this.methodId = head.methodId;
    this.methodName = head.methodId === Method.other ? "OTHER" : METHOD_NAMES[head.methodId]!;
    this.versionMinor = head.versionMinor;
    this.keepAlive = head.keepAlive;
    this.upgradeAsked = head.upgrade || head.methodId === Method.connect;
    this.chunked = head.framing === Framing.chunked;
    this.startedMs = performance.now();
    this.sinceMs = this.startedMs;
    this.bodyBytes = BODY_BYTES_MIN;
    this.hop.route(this, head);
  }

  /** For the hop, from `route`: writes the request's head for the next hop; it goes out when a pipe is attached. */
  prepare(head: Head): void {
    const { edits, hop, replay } = this;
    edits.framing = -1;
    edits.close = false;
    edits.keepAlive = false;
    edits.via = hop.viaOnRequest;
    edits.extra = hop.requestLines;
    const out = replay.reserve(serializedBytesMax(head, edits));
    replay.size = serializeHead(out, 0, head, edits);
  }

  /** For the hop: the request goes to this pipe. May be called again for another attempt. */
  attach(pipe: Pipe): void {
    this.attempts++;
    this.upstream.attach(pipe, this.methodId, this.upgradeAsked);
    const { replay } = this;
    pipe.write(replay.bytes!, 0, replay.size);
    if (replay.size > REPLAY_MAX) replay.spend();
    if (this.requestDone) this.hop.requestSent(this);
    else if (!this.upstream.isBlocked) this.resumeDown();
  }

  onBody(bytes: Uint8Array, from: number, to: number): void {
    this.bodyBytes += to - from;
    if (this.discarding) return this.discard(to - from);
    if (!this.chunked) return this.send(bytes, from, to);
    this.send(chunkHeader, 0, writeChunkHeader(chunkHeader, 0, to - from));
    this.send(bytes, from, to);
    this.send(CHUNK_END, 0, CHUNK_END.length);
  }

  onTrailers(trailers: Fields): void {
    if (this.discarding) return;
    const out = new Uint8Array(trailersBytesMax(trailers));
    this.send(out, 0, serializeTrailers(out, 0, trailers));
    this.chunked = false; // the last chunk is out
  }

  onEnd(): void {
    if (this.chunked && !this.discarding) this.send(LAST_CHUNK, 0, LAST_CHUNK.length);
    this.requestDone = true;
    if (this.discarding) {
      this.discarding = false;
      this.next();
    } else if (this.upstream.isAttached) this.hop.requestSent(this);
  }

  private send(bytes: Uint8Array, from: number, to: number): void {
    const { replay, upstream } = this;
    if (!replay.spent) {
      if (!upstream.isAttached || replay.size + to - from <= REPLAY_MAX) replay.add(bytes, from, to);
      else replay.spend();
    }
    if (upstream.isAttached) upstream.write(bytes, from, to);
    else this.pauseDown(); // nobody takes it yet
  }

  private discard(size: number): void {
    this.discarded += size;
    if (this.discarded > DISCARD_MAX) this.close();
  }

  // What the upstream tells.

  /** The upstream cannot take more, or again can. */
  upstreamBlocked(blocked: boolean): void {
    if (blocked) this.pauseDown();
    else if (this.heldSize === 0) this.resumeDown();
  }

  /** The protocol was switched. */
  switchRaw(): void {
    this.raw = true;
    this.replay.spend();
    this.hop.settle(this);
    this.unhold();
    if (this.eof) this.upstream.end();
  }

  /** Both sides of a raw exchange are done. */
  rawOver(): void {
    this.busy = false;
    this.hop.release(this, false);
    this.close();
  }

  /** The answer is out. `clean`: nothing speaks against using the upstream again. */
  answered(clean: boolean, goesOn: boolean): void {
    this.hop.release(this, clean && this.requestDone);
    this.replay.reset();
    this.hop.settle(this);
    if (!goesOn) this.keepAlive = false;
    if (this.requestDone) {
      this.next();
      return;
    }
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
    this.sinceMs = performance.now();
    if (this.heldSize > 0 || this.downPaused || this.eof) this.unhold();
  }

  /** The upstream ended before the answer began. */
  upstreamFailed(code: ProxyErrorCode, mayRetry: boolean): void {
    if (mayRetry && this.hop.again(this, !this.replay.spent)) return;
    this.hop.release(this, false);
    this.answer(code);
  }

  /** The answer broke off after it had begun: the client has to notice. */
  upstreamBroke(): void {
    this.hop.release(this, false);
    this.abort();
  }

  /** Our own answer to the request under way. */
  answer(code: ProxyErrorCode, message?: string): void {
    if (this.closed) return;
    const { status, message: usual } = PROXY_ERRORS[code];
    this.status = status;
    const close = !this.keepAlive || !this.requestDone && !this.parserBodyIsShort();
    const bytes = errorResponse({
      status, code, message: message ?? usual, close: close && !this.hop.meshClient,
      headOnly: this.methodId === Method.head,
    });
    this.down.write(bytes, 0, bytes.length);
    this.answered(false, !close);
  }

  /** A request without a body ends in the same call that reported its head. */
  private parserBodyIsShort(): boolean {
    const { framing, contentLength } = this.parser.head;
    return framing === Framing.none || (framing === Framing.length && contentLength <= DISCARD_MAX);
  }

  /** The parser refused: answer if nothing was answered yet, and end the connection. */
  private refuseRequest(): void {
    const info = HTTP_ERRORS[this.parser.error]!;
    if (this.busy) {
      // In the body: the upstream has a part of it.
      if (this.status !== 0) return this.abort();
      this.upstream.cancel();
      this.hop.release(this, false);
    }
    this.fail(info.status, info.code, info.message);
  }

  /** Answers with `connection: close` and ends. */
  private fail(status: number, code: string, message: string): void {
    const bytes = errorResponse({ status, code, message, close: true });
    this.down.write(bytes, 0, bytes.length);
    if (this.busy) {
      this.status = status;
      this.hop.settle(this);
      this.busy = false;
    }
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

  /** So that the client notices. */
  abort(): void {
    if (this.closed) return;
    this.closed = true;
    this.unfit = true;
    if (this.busy) {
      this.upstream.cancel();
      this.over();
    }
    this.down.destroy();
    this.finishClosing();
  }

  private over(): void {
    this.hop.release(this, false);
    if (!this.raw && !this.discarding) this.hop.settle(this);
    this.busy = false;
  }

  private finishClosing(): void {
    this.replay.reset();
    this.held = [];
    this.heldSize = 0;
    this.hop.closed(this);
  }

  /** No new request on this connection: ends at once when idle, else after the answer. */
  drain(): void {
    if (this.raw) return;
    this.keepAlive = false;
    if (!this.busy && !this.parser.inHead) this.close();
  }

  /** About once a second: ends what takes too long. Streams of a tunnel are their opener's to time. */
  tick(nowMs: number): void {
    if (this.closed || this.raw || this.hop.meshClient) return;
    const waited = nowMs - this.sinceMs;
    if (!this.busy) {
      if (this.parser.inHead && waited > HEAD_TIMEOUT_MS) {
        this.fail(408, "request_timeout", PROXY_ERRORS.request_timeout.message);
      } else if (waited > IDLE_TIMEOUT_MS) this.close();
    } else if (!this.requestDone && waited > BODY_PERIOD_MS) {
      const slow = this.bodyBytes < BODY_BYTES_MIN && !this.downPaused;
      this.sinceMs = nowMs;
      this.bodyBytes = 0;
      if (slow) this.bodyTooSlow();
    }
  }

  private bodyTooSlow(): void {
    if (this.status !== 0 || this.discarding) return this.abort();
    this.upstream.cancel();
    this.hop.release(this, false);
    this.fail(408, "body_timeout", PROXY_ERRORS.body_timeout.message);
  }
}
