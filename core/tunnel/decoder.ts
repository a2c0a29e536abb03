// hot: sees every byte of every tunnel
/* oxlint-disable max-params */
import {
  CONTROL_MAX, DATA_MAX, EXTENSION_TYPE_MIN, FrameType, HEADER_SIZE, STREAM_ID_MAX, TunnelError, readU32,
} from "./frames.ts";
import type { TunnelErrorId } from "./frames.ts";

/** Where the decoder reports, synchronously and in order. Bytes are valid during the call only. */
export interface FrameSink {
  /** The length of a DATA frame, before its bytes: what flow control has to check. */
  onDataStart(stream: number, length: number, flags: number): void;
  /** A piece of a DATA frame; `last` with its final piece (an empty frame has one empty piece). */
  onData(stream: number, bytes: Uint8Array, from: number, to: number, last: boolean): void;
  /** Any other frame, whole. */
  onControl(type: number, flags: number, stream: number, bytes: Uint8Array, from: number, to: number): void;
}

/**
 * Cuts bytes into frames. DATA passes through without being gathered, so that a receiver can act on the first byte;
 * other frames are gathered when a read splits them. Never throws on any bytes: returns the error, and is then done.
 */
export class FrameDecoder {
  private readonly held = new Uint8Array(HEADER_SIZE + CONTROL_MAX);
  private heldSize = 0;
  /** Bytes that are still to come of the DATA frame or skipped extension under way; -1: a header is next. */
  private left = -1;
  private skipping = false;
  private stream = 0;
  private stopped = false;

  /** Takes no more bytes, from inside a sink call too. */
  stop(): void {
    this.stopped = true;
  }

  push(bytes: Uint8Array, from: number, to: number, sink: FrameSink): TunnelErrorId {
    let at = from;
    while (at < to && !this.stopped) {
      if (this.left >= 0) {
        const end = Math.min(to, at + this.left);
        this.left -= end - at;
        const last = this.left === 0;
        if (last) this.left = -1;
        if (!this.skipping) sink.onData(this.stream, bytes, at, end, last);
        at = end;
        continue;
      }
      let head = bytes;
      let p = at;
      if (this.heldSize > 0 || to - at < HEADER_SIZE) {
        const need = this.heldSize < HEADER_SIZE ? HEADER_SIZE : HEADER_SIZE + ((this.held[0]! << 8) | this.held[1]!);
        const end = Math.min(to, at + need - this.heldSize);
        this.held.set(bytes.subarray(at, end), this.heldSize);
        this.heldSize += end - at;
        at = end;
        if (this.heldSize < need) break;
        head = this.held;
        p = 0;
      }
      const length = (head[p]! << 8) | head[p + 1]!;
      const type = head[p + 2]!;
      const flags = head[p + 3]!;
      const stream = readU32(head, p + 4);
      if (stream > STREAM_ID_MAX) return TunnelError.streamId;
      if (type === FrameType.data || type >= EXTENSION_TYPE_MIN) {
        if (type === FrameType.data && length > DATA_MAX) return TunnelError.frameSize;
        if (head === bytes) at += HEADER_SIZE;
        this.heldSize = 0;
        this.skipping = type !== FrameType.data;
        this.stream = stream;
        if (!this.skipping) sink.onDataStart(stream, length, flags);
        if (length > 0) this.left = length;
        else if (!this.skipping && !this.stopped) sink.onData(stream, head, 0, 0, true);
        continue;
      }
      if (type > FrameType.ping) return TunnelError.frameType;
      if (length > CONTROL_MAX) return TunnelError.frameSize;
      if (head === bytes) {
        if (to - at < HEADER_SIZE + length) {
          this.held.set(bytes.subarray(at, to), 0);
          this.heldSize = to - at;
          break;
        }
        at += HEADER_SIZE + length;
      } else if (this.heldSize < HEADER_SIZE + length) {
        continue; // the header came in pieces, and its payload follows
      }
      this.heldSize = 0;
      sink.onControl(type, flags, stream, head, p + HEADER_SIZE, p + HEADER_SIZE + length);
    }
    return TunnelError.none;
  }
}
