// hot: every byte that goes into a tunnel
/**
 * The sending half of a tunnel. `send` copies into the slab of the next write while the stream's window, the tunnel's
 * and the slab have room; the rest waits in the stream's backlog, and streams with a backlog take turns, one frame
 * each. Control frames go into the slab at once, ahead of every backlog.
 */
import { assert } from "../base/assert.ts";
import { DATA_MAX, TunnelError, WINDOW_MAX } from "./frames.ts";
import type { OpenFrame, TunnelErrorId } from "./frames.ts";
import { Outbox } from "./outbox.ts";
import type { SlabPool } from "./outbox.ts";
import { StreamEvent, StreamState } from "./stream.ts";
import type { StreamHandler, TunnelStream } from "./stream.ts";

export const TUNNEL_WINDOW = 1_048_576;

export interface TunnelHandler {
  /** Accepting side: return the stream's handler, or a refusal code. Called before any of its bytes. */
  onOpen(stream: TunnelStream, open: OpenFrame): StreamHandler | number;
  /** There is something to write: call `take` when the socket can be written. `full`: at once if it can. */
  onOutput(full: boolean): void;
  /** The peer takes no streams above `lastStream`; those were refused already. */
  onGoaway(lastStream: number, code: number): void;
  /** The peer broke the protocol, or the tunnel ended: every stream was reset. Write what is there and close. */
  onError(code: TunnelErrorId): void;
  /** No stream is left. */
  onIdle(): void;
}

export abstract class TunnelSender {
  /** Bytes in all backlogs. */
  backlogSize = 0;
  protected readonly handler: TunnelHandler;
  protected readonly outbox: Outbox;
  protected ended = false;
  private readonly ring: TunnelStream[] = [];
  private sendWindow = TUNNEL_WINDOW;

  constructor(slabs: SlabPool, handler: TunnelHandler) {
    this.handler = handler;
    this.outbox = new Outbox(slabs);
  }

  get isEnded(): boolean {
    return this.ended;
  }

  /** Forgets a stream that is closed. */
  protected abstract remove(stream: TunnelStream): void;

  /** A connection error. */
  protected abstract fail(code: TunnelErrorId): void;

  /** Takes all the bytes; false when some wait: send no more before `onDrained`. Ignored on a closed stream. */
  send(stream: TunnelStream, bytes: Uint8Array, from: number, to: number): boolean {
    if (stream.state === StreamState.closed || from === to) return true;
    assert(!stream.localDone, "no bytes after the end");
    let at = from;
    if (stream.backlogSize === 0) {
      at += this.sendNow(stream, bytes, from, to);
      if (at < to) {
        // The slab may have been what was short: let the driver write it, and go on in a fresh one.
        this.handler.onOutput(true);
        if (this.ended) return true;
        at += this.sendNow(stream, bytes, at, to);
      }
      if (at === to) {
        this.handler.onOutput(false);
        return true;
      }
    }
    (stream.backlog ??= []).push(bytes.slice(at, to));
    stream.backlogSize += to - at;
    this.backlogSize += to - at;
    if (stream.sendWindow > 0) this.enroll(stream);
    return false;
  }

  private sendNow(stream: TunnelStream, bytes: Uint8Array, from: number, to: number): number {
    const n = Math.min(to - from, stream.sendWindow, this.sendWindow, this.outbox.dataRoom());
    if (n <= 0) return 0;
    this.outbox.data(stream.id, bytes, from, from + n);
    // Frames of 16 kB with their headers: the room asked for covers one header only.
    stream.sendWindow -= n;
    this.sendWindow -= n;
    return n;
  }

  /** Our last byte on this stream was sent. */
  end(stream: TunnelStream): void {
    if (stream.localDone) return;
    if (stream.backlogSize > 0) {
      stream.endQueued = true;
      return;
    }
    this.endNow(stream);
    this.handler.onOutput(false);
  }

  private endNow(stream: TunnelStream): void {
    stream.endQueued = false;
    if (!this.outbox.end(stream.id)) return this.fail(TunnelError.tooManyControls);
    assert(stream.transit(StreamEvent.localEnd), "a stream ends once");
    if (stream.state === StreamState.closed) this.remove(stream);
  }

  /** The next slab to write and how much of it: `bytes` first, then `take`, then release it when it is written. */
  prepare(): number {
    this.outbox.refill();
    while (this.ring.length > 0 && this.sendWindow > 0 && this.outbox.dataRoom() > 0) this.pumpOne(this.ring.shift()!);
    return this.outbox.bytes;
  }

  take(): Uint8Array {
    return this.outbox.take();
  }

  get hasOutput(): boolean {
    return !this.outbox.isEmpty || (this.ring.length > 0 && this.sendWindow > 0);
  }

  /** One frame of one stream's backlog. */
  private pumpOne(stream: TunnelStream): void {
    stream.inRing = false;
    let left = Math.min(DATA_MAX, stream.sendWindow, this.sendWindow, this.outbox.dataRoom(), stream.backlogSize);
    while (left > 0) {
      const piece = stream.backlog![0]!;
      const n = this.sendNow(stream, piece, stream.backlogAt, Math.min(piece.length, stream.backlogAt + left));
      left -= n;
      stream.backlogAt += n;
      stream.backlogSize -= n;
      this.backlogSize -= n;
      if (n === 0) break;
      if (stream.backlogAt === piece.length) {
        stream.backlog!.shift();
        stream.backlogAt = 0;
      }
    }
    if (stream.backlogSize > 0) {
      if (stream.sendWindow > 0) this.enroll(stream);
      return;
    }
    stream.backlog = undefined;
    if (stream.endQueued) this.endNow(stream);
    else stream.handler.onDrained();
  }

  protected enroll(stream: TunnelStream): void {
    if (!stream.inRing) {
      stream.inRing = true;
      this.ring.push(stream);
    }
    this.handler.onOutput(false);
  }

  protected dropBacklog(stream: TunnelStream): void {
    this.backlogSize -= stream.backlogSize;
    stream.backlogSize = 0;
    stream.backlog = undefined;
    stream.endQueued = false;
  }

  protected leaveRing(stream: TunnelStream): void {
    if (!stream.inRing) return;
    stream.inRing = false;
    this.ring.splice(this.ring.indexOf(stream), 1);
  }

  /** The peer takes more in all. */
  protected widen(more: number): void {
    this.sendWindow += more;
    if (this.sendWindow > WINDOW_MAX) this.fail(TunnelError.flowControl);
    else if (this.ring.length > 0) this.handler.onOutput(false);
  }

  protected control(type: number, flags: number, stream: number, payload: Uint8Array | undefined): void {
    if (this.ended) return;
    if (!this.outbox.control(type, flags, stream, payload)) this.fail(TunnelError.tooManyControls);
    else this.handler.onOutput(false);
  }

  protected number(type: number, stream: number, value: number): void {
    if (this.ended) return;
    if (!this.outbox.number(type, stream, value)) this.fail(TunnelError.tooManyControls);
    else this.handler.onOutput(false);
  }
}
