// hot: every byte of every HTTP/1.1 connection passes here
/**
 * An HTTP/1.1 message parser for one direction of one connection (RFC 9112).
 *
 * `execute(buf, from, to)` consumes bytes and reports to the sink; it returns the position after the last byte that it
 * took. It stops, leaving the rest to the caller, at the end of each message, at a switch of protocols, when the sink
 * called `pause()` from `onHead`, and at an error (`error` is then not 0 and nothing more is taken). A request parser
 * is ready for the next message at once, so pipelining is calling it again when the answer to the first one is out;
 * after a request that said `close` it takes nothing more (RFC 9112 section 9.6). A response parser takes nothing
 * until `expectResponse` says what was asked, so that stray bytes from an upstream are seen as stray (pitfall 44).
 *
 * A head that comes whole is scanned where it lies. Else its bytes are held here (64 kB at most) and scanning goes on
 * line by line: byte-by-byte senders cost little more than others.
 */
import { decideRequest, decideResponse } from "./decide.ts";
import { ChunkDecoder } from "./chunks.ts";
import { Framing, HttpLimits, Method } from "./constants.ts";
import type { MethodId } from "./constants.ts";
import { HttpError } from "./errors.ts";
import type { HttpErrorId } from "./errors.ts";
import { Head } from "./head.ts";
import { REFUSED, ScanState, scanFields } from "./scan.ts";
import type { HttpSink } from "./sink.ts";
import { scanRequestLine, scanStatusLine } from "./start-line.ts";
import { CR, LF } from "./tables.ts";

const State = { idle: 0, head: 1, bodyNone: 2, bodyLength: 3, bodyChunked: 4, bodyUntilClose: 5, waiting: 6,
  switched: 7, failed: 8 } as const;
type StateId = (typeof State)[keyof typeof State];

const HELD_BYTES_FIRST = 1024;
const HELD_BYTES_KEPT = 4096;
const SHORT_LINE_BYTES = 256;

export class HttpParser {
  /** Of the current message; overwritten when the next one begins. */
  readonly head: Head;
  error: HttpErrorId = HttpError.none;
  private readonly sink: HttpSink;
  private readonly scan = new ScanState();
  private readonly isRequest: boolean;
  private state: StateId;
  private paused = false;
  /** The start line of the head is scanned. */
  private started = false;
  private left = 0;
  private chunks: ChunkDecoder | undefined;
  private held: Uint8Array | undefined;
  private heldCount = 0;
  /** Length of the incomplete line when it was last scanned. */
  private scannedLine = 0;
  private asked: MethodId = Method.other;
  private upgradeAsked = false;
  private interims = 0;
  /** One empty line before a request is forgiven (RFC 9112 section 2.2): its CR came, its LF came. */
  private emptyCr = false;
  private emptyLine = false;

  constructor(direction: "request" | "response", sink: HttpSink) {
    this.isRequest = direction === "request";
    this.head = new Head(this.isRequest);
    this.sink = sink;
    this.state = this.isRequest ? State.idle : State.waiting;
  }

  /** Between messages, with nothing of the next one seen. */
  get idle(): boolean {
    return this.state === State.idle || this.state === State.waiting;
  }

  /** A head has begun and is not complete: the head timeout runs. */
  get inHead(): boolean {
    return this.heldCount > 0;
  }

  /** A body is on its way. */
  get inBody(): boolean {
    return this.state >= State.bodyNone && this.state <= State.bodyUntilClose;
  }

  /** After 101 (or 2xx to CONNECT): the rest of the connection is not HTTP. */
  get switched(): boolean {
    return this.state === State.switched;
  }

  /** Responses: names the request whose answer comes next. */
  expectResponse(method: MethodId, upgradeAsked: boolean): void {
    this.asked = method;
    this.upgradeAsked = upgradeAsked;
    this.interims = 0;
    if (this.state === State.waiting) this.state = State.idle;
  }

  /** For the sink, from `onHead`: return to the caller before the body. Any later `execute` goes on. */
  pause(): void {
    this.paused = true;
  }

  /** Takes what it can of `buf[from, to)`; returns the position after the last byte taken. */
  execute(buf: Uint8Array, from: number, to: number): number {
    let p = from;
    for (;;) {
      switch (this.state) {
        case State.idle:
        case State.head:
          if (p === to) return p;
          p = this.heldCount === 0 ? this.headInPlace(buf, p, to) : this.headHeld(buf, p, to);
          // Either the head is reported, or everything was taken, or it failed.
          if (this.paused || this.state <= State.head) {
            this.paused = false;
            if (this.state === State.idle && this.heldCount === 0 && p < to) continue;
            return p;
          }
          break;
        case State.bodyNone:
          this.finishMessage();
          return p;
        case State.bodyLength: {
          if (p === to) return p;
          const end = to - p < this.left ? to : p + this.left;
          this.left -= end - p;
          this.sink.onBody(buf, p, end);
          p = end;
          if (this.left > 0) return p;
          this.finishMessage();
          return p;
        }
        case State.bodyChunked: {
          const chunks = this.chunks!;
          p = chunks.execute(buf, p, to);
          if (chunks.error !== HttpError.none) this.fail(chunks.error, p);
          else if (chunks.done) this.finishMessage();
          return p;
        }
        case State.bodyUntilClose:
          if (p < to) this.sink.onBody(buf, p, to);
          return to;
        default:
          return p;
      }
    }
  }

  /** The connection ended in this direction. Completes a body that lasts until close; else says what is missing. */
  finish(): HttpErrorId {
    if (this.state === State.failed) return this.error;
    if (this.state === State.bodyUntilClose) {
      this.finishMessage();
      return HttpError.none;
    }
    if (this.state === State.waiting || this.state === State.switched) return HttpError.none;
    if (this.state === State.idle && this.isRequest) return HttpError.none;
    this.fail(HttpError.truncated, 0);
    return this.error;
  }

  private headInPlace(buf: Uint8Array, from: number, to: number): number {
    let p = from;
    if (this.isRequest && (buf[p] === CR || this.emptyCr) && !this.emptyLine) {
      if (!this.emptyCr) p++;
      this.emptyCr = true;
      if (p === to) return p;
      if (buf[p] !== LF) return this.fail(HttpError.lineEnd, p);
      this.emptyLine = true;
      this.emptyCr = false;
      p++;
      if (p === to) return p;
    }
    this.begin(buf, p);
    const large = to - p >= HttpLimits.headBytesMax;
    const end = this.advance(large ? p + HttpLimits.headBytesMax : to);
    if (end >= 0) return this.report(end, end);
    if (end === REFUSED) return p;
    if (large) return this.fail(HttpError.headTooLarge, p);
    this.hold(buf, p, to);
    return to;
  }

  private headHeld(buf: Uint8Array, from: number, to: number): number {
    const before = this.heldCount;
    const taken = from + Math.min(to - from, HttpLimits.headBytesMax - before);
    this.hold(buf, from, taken);
    if (this.isScanDue(buf, from, taken)) {
      const end = this.advance(this.heldCount);
      if (end >= 0) {
        this.heldCount = 0;
        // A large head's buffer goes with the head; the small one is kept for the next.
        if (this.held!.length > HELD_BYTES_KEPT) this.held = undefined;
        return this.report(end, from + (end - before));
      }
      if (end === REFUSED) return from;
    }
    return this.heldCount === HttpLimits.headBytesMax ? this.fail(HttpError.headTooLarge, from) : taken;
  }

  /**
   * Whether new bytes are worth another look at the line that is not complete yet: they may end it, or it is short. A
   * long line without an end is looked at each time it has doubled, so that all the looks together cost one.
   */
  private isScanDue(buf: Uint8Array, from: number, to: number): boolean {
    const line = this.heldCount - this.scan.resumeAt;
    if (line <= SHORT_LINE_BYTES || line >= 2 * this.scannedLine) {
      this.scannedLine = line;
      return true;
    }
    for (let p = from; p < to; p++) if (buf[p] === LF) return true;
    return false;
  }

  private begin(buf: Uint8Array, from: number): void {
    this.state = State.head;
    this.started = false;
    this.scan.resumeAt = from;
    this.head.buf = buf;
    this.head.from = from;
    this.head.count = 0;
    this.head.hostFrom = -1;
  }

  /** Scans on from where the last scan stopped; position after the head, NEED_MORE or REFUSED. */
  private advance(to: number): number {
    const { head, scan } = this;
    let p = scan.resumeAt;
    if (!this.started) {
      p = this.isRequest ? scanRequestLine(head, scan, p, to) : scanStatusLine(head, scan, p, to);
      if (p >= 0) {
        this.started = true;
        head.fieldsFrom = p;
      }
    }
    if (p >= 0) p = scanFields(head, scan, p, to);
    return p === REFUSED ? this.fail(scan.error, REFUSED) : p;
  }

  /** Decides and reports the head that ends at `end` in its buffer; returns `next`. */
  private report(end: number, next: number): number {
    const head = this.head;
    head.to = end;
    const error = this.isRequest ? decideRequest(head) : decideResponse(head, this.asked, this.upgradeAsked);
    if (error !== HttpError.none) return this.fail(error, next);
    if (head.interim) {
      if (++this.interims > HttpLimits.interimCountMax) return this.fail(HttpError.interimTooMany, next);
      this.state = State.idle;
    } else if (!this.isRequest && head.upgrade) this.state = State.switched;
    else this.enterBody(head);
    this.sink.onHead(head);
    return next;
  }

  private enterBody(head: Head): void {
    switch (head.framing) {
      case Framing.length:
        this.left = head.contentLength;
        this.state = this.left > 0 ? State.bodyLength : State.bodyNone;
        return;
      case Framing.chunked:
        if (this.chunks === undefined) this.chunks = new ChunkDecoder(this.sink);
        else this.chunks.reset();
        this.state = State.bodyChunked;
        return;
      case Framing.untilClose:
        this.state = State.bodyUntilClose;
        return;
      default:
        this.state = State.bodyNone;
    }
  }

  /** The last thing a call does: the sink may feed this parser again from `onEnd`. */
  private finishMessage(): void {
    this.state = this.isRequest && this.head.keepAlive ? State.idle : State.waiting;
    this.emptyLine = false;
    this.sink.onEnd();
  }

  private hold(buf: Uint8Array, from: number, to: number): void {
    const size = this.heldCount + (to - from);
    let held = this.held;
    if (held === undefined || size > held.length) {
      const grown = new Uint8Array(Math.min(Math.max(2 * size, HELD_BYTES_FIRST), HttpLimits.headBytesMax));
      if (held !== undefined) grown.set(held.subarray(0, this.heldCount));
      held = grown;
    }
    held.set(buf.subarray(from, to), this.heldCount);
    this.held = held;
    if (this.heldCount === 0) {
      // Lines scanned so far keep their places relative to the head's first byte.
      this.scan.resumeAt -= this.head.from;
      this.head.rebase(held, -from);
    } else this.head.buf = held;
    this.heldCount = size;
  }

  /** Records the error; returns what it was given, for the caller to return. */
  private fail(error: HttpErrorId, result: number): number {
    this.state = State.failed;
    this.error = error;
    this.heldCount = 0;
    return result;
  }
}
