// hot: runs for every frame
/* oxlint-disable max-params */
/**
 * One end of a `mesh/1` connection (docs/tunnel.md) as a pure machine: bytes in by `receive`, bytes out by `take`.
 *
 * Sending is TunnelSender's.
 * Receiving: a stream's bytes are handed on at once, and its window is refilled only by `credit`, when the next hop has
 * taken them: a reader that stops holds one window at most, and holds nobody else up. The tunnel's own window is
 * refilled on receipt, because the streams' windows already bound what can be parked.
 */
import { assert } from "../base/assert.ts";
import { FrameDecoder } from "./decoder.ts";
import type { FrameSink } from "./decoder.ts";
import {
  CONTROL_MAX, FrameFlag, FrameType, Refusal, STREAM_ID_MAX, TunnelError, WINDOW_MAX, decodeOpen,
  readU32,
} from "./frames.ts";
import type { TunnelErrorId } from "./frames.ts";
import type { SlabPool } from "./outbox.ts";
import { TUNNEL_WINDOW, TunnelSender } from "./sender.ts";
import type { TunnelHandler } from "./sender.ts";
import {
  NO_STREAM_HANDLER, STREAM_WINDOW, STREAM_WINDOW_MAX, StreamEvent, StreamState, TunnelStream,
} from "./stream.ts";
import type { StreamHandler } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

/** Streams open at once that the accepting side takes; with their windows it bounds what a peer can park here. */
const STREAMS_MAX = 1_024;
/** How much more than the first window all streams of a tunnel may hold together. */
const GROWTH_MAX = 4 * 1_048_576;
/** Frames per `tick` that cost work and carry nothing: pings, resets, empty data, refused opens. */
const NOISE_MAX = 20_000;

export interface TunnelOptions {
  readonly opener: boolean;
  readonly slabs: SlabPool;
  readonly handler: TunnelHandler;
}

export class Tunnel extends TunnelSender implements FrameSink {
  readonly streams = new StreamTable();
  /** The peer said that it takes no more streams. */
  goneAway = false;
  private readonly opener: boolean;
  private readonly decoder = new FrameDecoder();
  private lastStream = 0;
  private lastAccepted = STREAM_ID_MAX;
  private receiveWindow = TUNNEL_WINDOW;
  private growth = 0;
  private noise = 0;
  private current: TunnelStream | undefined = undefined;
  private currentEnds = false;

  constructor(options: TunnelOptions) {
    super(options.slabs, options.handler);
    this.opener = options.opener;
  }

  /** `payload` by encodeOpen. Undefined when the tunnel takes no more streams: use another one. */
  open(payload: Uint8Array, handler: StreamHandler): TunnelStream | undefined {
    assert(this.opener, "only the opener opens streams");
    if (this.goneAway || this.ended || this.lastStream === STREAM_ID_MAX || this.streams.size >= STREAMS_MAX) {
      return undefined;
    }
    assert(payload.length <= CONTROL_MAX, "an OPEN fits its frame");
    const stream = new TunnelStream(++this.lastStream, handler);
    this.streams.add(stream);
    this.control(FrameType.open, 0, stream.id, payload);
    // The tunnel may just have failed with it.
    return this.ended ? undefined : stream;
  }

  /** Cuts the stream; its handler hears nothing more. */
  reset(stream: TunnelStream, code: number): void {
    if (stream.state === StreamState.closed) return;
    this.drop(stream);
    this.number(FrameType.reset, stream.id, code);
  }

  /** Accepting side: says that nothing of the stream reached an application (for codes below 64). */
  refuse(stream: TunnelStream, code: number): void {
    if (stream.state === StreamState.closed) return;
    this.drop(stream);
    this.control(FrameType.refuse, 0, stream.id, Uint8Array.of(code));
  }

  /** The next hop has taken `n` bytes of the stream. */
  credit(stream: TunnelStream, n: number): void {
    stream.parked -= n;
    assert(stream.parked >= 0, "no more credit than bytes");
    if (stream.remoteDone) return;
    stream.creditHeld += n;
    if (stream.creditHeld < stream.receiveTarget >> 1) return;
    if (stream.parked === 0 && stream.sinceGrowth >= stream.receiveTarget) this.grow(stream);
    const n2 = stream.creditHeld;
    stream.creditHeld = 0;
    stream.receiveWindow += n2;
    assert(stream.receiveWindow <= stream.receiveTarget, "a window is never overfilled");
    this.number(FrameType.window, stream.id, n2);
  }

  /** The reader keeps up: let more be on its way. */
  private grow(stream: TunnelStream): void {
    const more = Math.min(stream.receiveTarget, STREAM_WINDOW_MAX - stream.receiveTarget, GROWTH_MAX - this.growth);
    stream.sinceGrowth = 0;
    if (more <= 0) return;
    this.growth += more;
    stream.receiveTarget += more;
    stream.creditHeld += more;
  }

  ping(token: number): void {
    const payload = new Uint8Array(8);
    new DataView(payload.buffer).setFloat64(0, token);
    this.control(FrameType.ping, 0, 0, payload);
  }

  /** First step: no `final`, the peer stops opening. Second step, a round trip later: streams from now are refused. */
  goaway(code: TunnelErrorId, final: boolean): void {
    this.lastAccepted = final ? this.lastStream : STREAM_ID_MAX;
    const payload = new Uint8Array(8);
    const view = new DataView(payload.buffer);
    view.setUint32(0, this.lastAccepted);
    view.setUint32(4, code);
    this.control(FrameType.goaway, 0, 0, payload);
  }

  /** Call about once a second: renews the budget of noise frames. */
  tick(): void {
    this.noise = 0;
  }

  /** The socket ended without the protocol's leave: cuts every stream. */
  abort(code: number): void {
    if (this.ended) return;
    this.ended = true;
    this.decoder.stop();
    const streams = this.streams.values();
    for (const stream of streams) this.drop(stream);
    this.outbox.clear();
    for (const stream of streams) stream.handler.onReset(code);
  }

  receive(bytes: Uint8Array, from: number, to: number): void {
    if (this.ended) return;
    const error = this.decoder.push(bytes, from, to, this);
    if (error !== TunnelError.none) this.fail(error);
  }

  /** Forgets the stream at once. */
  private drop(stream: TunnelStream): void {
    stream.transit(StreamEvent.cut);
    this.dropBacklog(stream);
    this.remove(stream);
  }

  protected override remove(stream: TunnelStream): void {
    this.streams.delete(stream.id);
    this.growth -= stream.receiveTarget - STREAM_WINDOW;
    this.leaveRing(stream);
    if (this.streams.size === 0 && !this.ended) this.handler.onIdle();
  }

  private countNoise(): void {
    if (++this.noise > NOISE_MAX) this.fail(TunnelError.tooManyControls);
  }

  /** A connection error: says why, cuts every stream. */
  protected override fail(code: TunnelErrorId): void {
    if (this.ended) return;
    this.decoder.stop();
    // Any stream may have been acted upon: none is said to be safe to retry.
    const payload = new Uint8Array(8);
    const view = new DataView(payload.buffer);
    view.setUint32(0, STREAM_ID_MAX);
    view.setUint32(4, code);
    const streams = this.streams.values();
    this.ended = true;
    for (const stream of streams) this.drop(stream);
    this.outbox.control(FrameType.goaway, 0, 0, payload);
    this.handler.onOutput(false);
    for (const stream of streams) stream.handler.onReset(code);
    this.handler.onError(code);
  }

  // What the decoder reports.

  onDataStart(id: number, length: number, flags: number): void {
    this.current = undefined;
    this.currentEnds = (flags & FrameFlag.end) !== 0;
    if (length === 0 && !this.currentEnds) this.countNoise();
    this.receiveWindow -= length;
    if (this.receiveWindow < 0) return this.fail(TunnelError.flowControl);
    if (this.receiveWindow <= TUNNEL_WINDOW - (TUNNEL_WINDOW >> 2)) {
      this.number(FrameType.window, 0, TUNNEL_WINDOW - this.receiveWindow);
      this.receiveWindow = TUNNEL_WINDOW;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      // A stream that we cut, or one refused because we go away: its bytes were on their way.
      if (id === 0 || id > this.lastStream) this.fail(TunnelError.streamId);
      return;
    }
    if (stream.remoteDone) return this.fail(TunnelError.malformed);
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) return this.fail(TunnelError.flowControl);
    stream.sinceGrowth += length;
    stream.parked += length;
    this.current = stream;
  }

  onData(_id: number, bytes: Uint8Array, from: number, to: number, last: boolean): void {
    const stream = this.current;
    if (stream === undefined || stream.state === StreamState.closed) return;
    if (to > from) stream.handler.onBytes(bytes, from, to);
    // The handler may have cut the stream, or ended its own side of it.
    if (!last || !this.currentEnds || (stream.state as number) === StreamState.closed) return;
    if (!stream.transit(StreamEvent.remoteEnd)) return this.fail(TunnelError.malformed);
    if ((stream.state as number) === StreamState.closed) this.remove(stream);
    stream.handler.onEnd();
  }

  onControl(type: number, _flags: number, id: number, bytes: Uint8Array, from: number, to: number): void {
    switch (type) {
      case FrameType.open: return this.receiveOpen(id, bytes, from, to);
      case FrameType.window: return this.receiveWindowFrame(id, bytes, from, to);
      case FrameType.refuse: return this.receiveCut(id, true, to - from === 1 ? bytes[from]! : -1);
      case FrameType.reset: return this.receiveCut(id, false, to - from === 4 ? readU32(bytes, from) : -1);
      case FrameType.goaway: return this.receiveGoaway(id, bytes, from, to);
      default: return this.receivePing(_flags, bytes, from, to);
    }
  }

  private receiveOpen(id: number, bytes: Uint8Array, from: number, to: number): void {
    if (this.opener || id <= this.lastStream) return this.fail(TunnelError.streamId);
    const open = decodeOpen(bytes, from, to);
    if (open === undefined) return this.fail(TunnelError.malformed);
    const late = id > this.lastAccepted;
    this.lastStream = id;
    let answer: StreamHandler | number = late ? Refusal.goingAway : Refusal.overloaded;
    const stream = new TunnelStream(id, NO_STREAM_HANDLER);
    if (!late && this.streams.size < STREAMS_MAX) {
      this.streams.add(stream);
      answer = this.handler.onOpen(stream, open);
      if (typeof answer !== "number") {
        stream.handler = answer;
        return;
      }
      this.streams.delete(id);
    }
    stream.transit(StreamEvent.cut);
    this.countNoise();
    this.control(FrameType.refuse, 0, id, Uint8Array.of(answer));
  }

  private receiveWindowFrame(id: number, bytes: Uint8Array, from: number, to: number): void {
    const more = to - from === 4 ? readU32(bytes, from) : 0;
    if (more === 0 || more > WINDOW_MAX) return this.fail(TunnelError.malformed);
    if (id === 0) {
      this.widen(more);
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (id > this.lastStream) this.fail(TunnelError.streamId);
      return;
    }
    stream.sendWindow += more;
    if (stream.sendWindow > WINDOW_MAX) return this.fail(TunnelError.flowControl);
    if (stream.backlogSize > 0) this.enroll(stream);
  }

  /** REFUSE or RESET; `code` -1 is malformed. */
  private receiveCut(id: number, refused: boolean, code: number): void {
    if (code < 0 || (refused && !this.opener)) return this.fail(TunnelError.malformed);
    if (id === 0 || id > this.lastStream) return this.fail(TunnelError.streamId);
    this.countNoise();
    const stream = this.streams.get(id);
    if (stream === undefined || this.ended) return;
    this.drop(stream);
    if (refused) stream.handler.onRefused(code);
    else stream.handler.onReset(code);
  }

  private receiveGoaway(id: number, bytes: Uint8Array, from: number, to: number): void {
    if (id !== 0 || to - from !== 8) return this.fail(TunnelError.malformed);
    const last = readU32(bytes, from);
    this.goneAway = true;
    if (this.opener) {
      for (const stream of this.streams.values()) {
        if (stream.id <= last) continue;
        this.drop(stream);
        stream.handler.onRefused(Refusal.goingAway);
      }
    }
    this.handler.onGoaway(last, readU32(bytes, from + 4));
  }

  private receivePing(flags: number, bytes: Uint8Array, from: number, to: number): void {
    if (to - from !== 8) return this.fail(TunnelError.malformed);
    this.countNoise();
    if ((flags & FrameFlag.ack) === 0) this.control(FrameType.ping, FrameFlag.ack, 0, bytes.slice(from, to));
  }
}
