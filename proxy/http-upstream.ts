// hot: every answer runs through here on both hosts
/** The answer's side of an exchange: bytes of the upstream in, what the grammar accepted out to the client. */
import { Field, Framing, Method } from "../core/http/constants.ts";
import type { MethodId } from "../core/http/constants.ts";
import type { Fields } from "../core/http/fields.ts";
import type { Head } from "../core/http/head.ts";
import { FieldFlag } from "../core/http/constants.ts";
import { HttpParser } from "../core/http/parser.ts";
import { fitResponse } from "../core/http/respond.ts";
import {
  CHUNK_END, CHUNK_HEADER_BYTES_MAX, HeadEdits, LAST_CHUNK, serializeHead, serializeTrailers, serializedBytesMax,
  trailersBytesMax, writeChunkHeader,
} from "../core/http/serialize.ts";
import type { HttpSink } from "../core/http/sink.ts";
import { NO_OWNER, PipeEnd } from "../io/sockets/pipe.ts";
import type { Pipe, PipeOwner } from "../io/sockets/pipe.ts";
import type { HttpExchange } from "./http-exchange.ts";

/** A head of 64 kB whose every field grows by a space, and what we add. */
let scratch = new Uint8Array(8_192);
const chunkHeader = new Uint8Array(CHUNK_HEADER_BYTES_MAX);

export class HttpUpstream implements PipeOwner, HttpSink {
  pipe: Pipe | undefined = undefined;
  /** The pipe of the last attempt, if it ended by itself. */
  failed: Pipe | undefined = undefined;
  /** Anything came back on this attempt. */
  heard = false;
  private readonly exchange: HttpExchange;
  private parser: HttpParser;
  private readonly edits = new HeadEdits();
  private blocked = false;
  private done = false;
  private broken = false;
  private goesOn = true;
  private chunked = false;
  private eof = false;
  private rawEnded = false;

  constructor(exchange: HttpExchange) {
    this.exchange = exchange;
    this.parser = new HttpParser("response", this);
  }

  get isAttached(): boolean {
    return this.pipe !== undefined;
  }

  get isBlocked(): boolean {
    return this.blocked;
  }

  attach(pipe: Pipe, methodId: MethodId, upgradeAsked: boolean): void {
    this.pipe = pipe;
    this.failed = undefined;
    this.heard = false;
    this.blocked = false;
    this.done = false;
    this.eof = false;
    this.rawEnded = false;
    if (this.broken) {
      this.parser = new HttpParser("response", this);
      this.broken = false;
    }
    this.parser.expectResponse(methodId, upgradeAsked);
    pipe.owner = this;
  }

  /** Gives the pipe up without closing it. */
  detach(): Pipe | undefined {
    const pipe = this.pipe;
    this.pipe = undefined;
    this.blocked = false;
    if (pipe !== undefined) pipe.owner = NO_OWNER;
    return pipe;
  }

  write(bytes: Uint8Array, from: number, to: number): void {
    this.pipe?.write(bytes, from, to);
  }

  end(): void {
    this.rawEnded = true;
    this.pipe?.end();
    if (this.eof) this.exchange.rawOver();
  }

  pause(): void {
    this.pipe?.pause();
  }

  resume(): void {
    this.pipe?.resume();
  }

  /** The client is gone, or the exchange is given up. */
  cancel(): void {
    this.detach()?.destroy();
  }

  // From the pipe.

  onBytes(bytes: Uint8Array, from: number, to: number): void {
    const { exchange, parser } = this;
    this.heard = true;
    if (exchange.raw) {
      exchange.down.write(bytes, from, to);
      return;
    }
    let p = from;
    while (p < to && !this.done && this.pipe !== undefined) {
      const before = p;
      p = parser.execute(bytes, p, to);
      if (parser.error !== 0) return this.invalid();
      if (parser.switched) {
        exchange.switchRaw();
        if (p < to) exchange.down.write(bytes, p, to);
        return;
      }
      if (p === before && !this.done) break;
    }
    // Bytes beyond the answer: nobody asked for them (pitfall 44).
    if (this.done) this.complete(p === to);
  }

  private complete(clean: boolean): void {
    this.done = false;
    this.exchange.answered(clean && this.parser.head.keepAlive, this.goesOn);
  }

  private invalid(): void {
    this.broken = true;
    if (this.exchange.status !== 0) this.exchange.upstreamBroke();
    else this.exchange.upstreamFailed("upstream_invalid", false);
  }

  onEof(): void {
    const { exchange, parser } = this;
    this.eof = true;
    if (exchange.raw) {
      exchange.down.end();
      if (this.rawEnded) exchange.rawOver();
      return;
    }
    const error = parser.finish();
    if (this.done) return this.complete(false);
    if (error === 0) return;
    this.broken = true;
    this.lost();
  }

  onGone(reason: PipeEnd): void {
    if (this.exchange.raw) {
      this.pipe = undefined;
      if (reason === PipeEnd.closed) this.exchange.rawOver();
      else this.exchange.abort();
      return;
    }
    if (this.parser.inBody || this.parser.inHead) this.broken = true;
    this.failed = this.pipe;
    this.pipe = undefined;
    if (reason === PipeEnd.unopened) this.exchange.upstreamFailed("connect_failed", true);
    else this.lost();
  }

  /** A parser that stopped in the middle of a message cannot begin another. */
  get isBroken(): boolean {
    return this.broken;
  }

  private lost(): void {
    const { exchange } = this;
    this.failed ??= this.pipe;
    if (exchange.status !== 0) exchange.upstreamBroke();
    else exchange.upstreamFailed("upstream_reset", !this.heard);
  }

  onBlocked(): void {
    this.blocked = true;
    this.exchange.upstreamBlocked(true);
  }

  onDrain(): void {
    this.blocked = false;
    this.exchange.upstreamBlocked(false);
  }

  // The answer, from the parser.

  onHead(head: Head): void {
    const { edits, exchange } = this;
    if (head.interim && exchange.versionMinor === 0) return; // RFC 9110 section 15.2
    if (exchange.hop.meshUpstream && head.status >= 400) passMeshError(head);
    if (exchange.expects && !head.interim) exchange.keepAlive = false;
    const goesOn = fitResponse(edits, head, exchange);
    edits.via = !exchange.hop.viaOnRequest;
    if (exchange.hop.meshClient) {
      edits.close = false;
      edits.keepAlive = false;
    }
    if (!head.interim) {
      exchange.status = head.status;
      this.goesOn = goesOn;
      const out = edits.framing === -1 ? head.framing : edits.framing;
      this.chunked = out === Framing.chunked && head.framing !== Framing.none;
      exchange.out.replay.spend();
    }
    const room = serializedBytesMax(head, edits);
    if (room > scratch.length) scratch = new Uint8Array(room);
    exchange.down.write(scratch, 0, serializeHead(scratch, 0, head, edits));
  }

  onBody(bytes: Uint8Array, from: number, to: number): void {
    const down = this.exchange.down;
    if (!this.chunked) return down.write(bytes, from, to);
    down.write(chunkHeader, 0, writeChunkHeader(chunkHeader, 0, to - from));
    down.write(bytes, from, to);
    down.write(CHUNK_END, 0, CHUNK_END.length);
  }

  onTrailers(trailers: Fields): void {
    if (!this.chunked) return;
    const out = new Uint8Array(trailersBytesMax(trailers));
    this.exchange.down.write(out, 0, serializeTrailers(out, 0, trailers));
    this.chunked = false; // the last chunk is out
  }

  onEnd(): void {
    if (this.chunked) this.exchange.down.write(LAST_CHUNK, 0, LAST_CHUNK.length);
    this.done = true;
  }
}

/** The other proxy's word on why it answered itself; from an application the field is a lie and stays dropped. */
function passMeshError(head: Head): void {
  for (let i = 0; i < head.count; i++) {
    if (head.ids[i] === Field.identity && head.isNamed(i, "x-mesh-error")) head.flags[i]! &= ~FieldFlag.drop;
  }
}

export const isIdempotent = (methodId: MethodId): boolean =>
  methodId === Method.get || methodId === Method.head || methodId === Method.put || methodId === Method.delete
  || methodId === Method.options || methodId === Method.trace;
