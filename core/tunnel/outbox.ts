// hot: every byte that goes into a tunnel is copied here once
/* oxlint-disable max-params */
import { DATA_MAX, FrameFlag, FrameType, HEADER_SIZE, writeHeader, writeU32 } from "./frames.ts";

/** Lends the buffers that frames are gathered in. */
export interface SlabPool {
  acquire(): Uint8Array;
  release(slab: Uint8Array): void;
}

/** Kept free in each slab for control frames, so that they never wait behind data. */
const CONTROL_RESERVE = 2_048;
/** Control frames that wait because not even the reserve had room: a peer that provokes them without reading. */
const CONTROL_QUEUE_MAX = 4_096;

/** The frames of one tunnel's next write. */
export class Outbox {
  private readonly pool: SlabPool;
  private slab: Uint8Array | undefined = undefined;
  private size = 0;
  /** Where the last frame begins if it is DATA that may still be extended, else -1. */
  private lastData = -1;
  private lastStream = 0;
  private waiting: Uint8Array[] = [];

  constructor(pool: SlabPool) {
    this.pool = pool;
  }

  get isEmpty(): boolean {
    return this.size === 0 && this.waiting.length === 0;
  }

  get bytes(): number {
    return this.size;
  }

  /** How many bytes of data the slab still takes. */
  dataRoom(): number {
    if (this.waiting.length > 0) return 0; // an OPEN may be among them: data must not overtake it
    if (this.slab === undefined) this.slab = this.pool.acquire();
    return Math.max(0, this.slab.length - CONTROL_RESERVE - HEADER_SIZE - this.size);
  }

  /** Appends up to `to - from` bytes as DATA, joined with the frame before where that is the same stream's. */
  data(stream: number, bytes: Uint8Array, from: number, to: number): void {
    const slab = this.slab!;
    let at = from;
    if (this.lastData >= 0 && this.lastStream === stream) {
      const length = this.size - this.lastData - HEADER_SIZE;
      const n = Math.min(to - at, DATA_MAX - length);
      if (n > 0) {
        copy(slab, this.size, bytes, at, at + n);
        this.size += n;
        at += n;
        slab[this.lastData] = (length + n) >>> 8;
        slab[this.lastData + 1] = length + n;
      }
    }
    while (at < to) {
      const n = Math.min(to - at, DATA_MAX);
      this.lastData = this.size;
      this.lastStream = stream;
      this.size = writeHeader(slab, this.size, n, FrameType.data << 8, stream);
      copy(slab, this.size, bytes, at, at + n);
      this.size += n;
      at += n;
    }
  }

  /** Marks the stream's last frame, or adds an empty one. Returns false when too many control frames wait. */
  end(stream: number): boolean {
    if (this.lastData >= 0 && this.lastStream === stream) {
      this.slab![this.lastData + 3]! |= FrameFlag.end;
      this.lastData = -1;
      return true;
    }
    return this.control(FrameType.data, FrameFlag.end, stream, undefined);
  }

  /** A control frame; false when too many wait already. */
  control(type: number, flags: number, stream: number, payload: Uint8Array | undefined): boolean {
    const length = payload === undefined ? 0 : payload.length;
    const out = this.place(HEADER_SIZE + length);
    if (out === undefined) return false;
    const at = out === this.slab ? this.size - HEADER_SIZE - length : 0;
    writeHeader(out, at, length, (type << 8) | flags, stream);
    if (payload !== undefined) out.set(payload, at + HEADER_SIZE);
    return true;
  }

  /** A control frame whose payload is one number. */
  number(type: number, stream: number, value: number): boolean {
    const out = this.place(HEADER_SIZE + 4);
    if (out === undefined) return false;
    const at = out === this.slab ? this.size - HEADER_SIZE - 4 : 0;
    writeU32(out, writeHeader(out, at, 4, type << 8, stream), value);
    return true;
  }

  /** Room for a frame: in the slab, or in the queue behind it. */
  private place(size: number): Uint8Array | undefined {
    if (this.slab === undefined) this.slab = this.pool.acquire();
    this.lastData = -1;
    if (this.waiting.length === 0 && this.size + size <= this.slab.length) {
      this.size += size;
      return this.slab;
    }
    if (this.waiting.length >= CONTROL_QUEUE_MAX) return undefined;
    const own = new Uint8Array(size);
    this.waiting.push(own);
    return own;
  }

  /** The slab with its size in `bytes` read before; the caller releases it when it is written. */
  take(): Uint8Array {
    const slab = this.slab!;
    this.slab = undefined;
    this.size = 0;
    this.lastData = -1;
    return slab;
  }

  /** Moves control frames that waited into a fresh slab. */
  refill(): void {
    if (this.waiting.length === 0) return;
    const waiting = this.waiting;
    let taken = 0;
    if (this.slab === undefined) this.slab = this.pool.acquire();
    while (taken < waiting.length && this.size + waiting[taken]!.length <= this.slab.length) {
      this.slab.set(waiting[taken]!, this.size);
      this.size += waiting[taken]!.length;
      taken++;
    }
    this.waiting = waiting.slice(taken);
    this.lastData = -1;
  }

  /** Gives everything back. */
  clear(): void {
    if (this.slab !== undefined) this.pool.release(this.slab);
    this.slab = undefined;
    this.size = 0;
    this.lastData = -1;
    this.waiting = [];
  }
}

/** `set(subarray())` allocates a view; for the small pieces of heads a loop is cheaper. */
function copy(out: Uint8Array, at: number, bytes: Uint8Array, from: number, to: number): void {
  if (to - from > 48) {
    out.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), at);
    return;
  }
  for (let i = from, o = at; i < to; i++, o++) out[o] = bytes[i]!;
}
