// hot: one per request
import { assert } from "../base/assert.ts";

/** Receives what happens to one stream, synchronously. Bytes are valid during the call only. */
export interface StreamHandler {
  /** Bytes that the peer sent; give their credit back with `credit` once the next hop has taken them. */
  onBytes(bytes: Uint8Array, from: number, to: number): void;
  /** The peer sent its last byte. */
  onEnd(): void;
  /** The peer (or the end of the tunnel) cut the stream. Nothing follows. */
  onReset(code: number): void;
  /** The peer did not take the stream (only where we opened it). Nothing follows. */
  onRefused(code: number): void;
  /** Everything that `send` held back has gone out. */
  onDrained(): void;
}

/** What a stream may still do; index of the table. */
export const StreamState = { open: 0, localEnded: 1, remoteEnded: 2, closed: 3 } as const;
export type StreamStateId = (typeof StreamState)[keyof typeof StreamState];

export const StreamEvent = { localEnd: 0, remoteEnd: 1, cut: 2 } as const;
export type StreamEventId = (typeof StreamEvent)[keyof typeof StreamEvent];

const { open, localEnded, remoteEnded, closed } = StreamState;

/** New state by [state][event]; -1: impossible (ours: a broken invariant, the peer's: a protocol error). */
const TRANSITIONS: readonly (readonly number[])[] = [
  /* open        */ [localEnded, remoteEnded, closed],
  /* localEnded  */ [-1, closed, closed],
  /* remoteEnded */ [closed, -1, closed],
  /* closed      */ [-1, -1, closed],
];
assert(TRANSITIONS.length === closed + 1 && TRANSITIONS[open]!.length === StreamEvent.cut + 1, "stream table is whole");

export const STREAM_WINDOW = 65_536;
export const STREAM_WINDOW_MAX = 1_048_576;

/** One stream of a tunnel. Its fields are the tunnel's; others read `id` and call the tunnel. */
export class TunnelStream {
  readonly id: number;
  handler: StreamHandler;
  state: StreamStateId = StreamState.open;
  /** Bytes that we may still send. */
  sendWindow = STREAM_WINDOW;
  /** Bytes that the peer may still send. */
  receiveWindow = STREAM_WINDOW;
  /** What `receiveWindow` is filled up to. */
  receiveTarget = STREAM_WINDOW;
  /** Taken by the next hop and not yet told to the peer. */
  creditHeld = 0;
  /** Received and not yet taken by the next hop. */
  parked = 0;
  /** Received altogether since the window grew. */
  sinceGrowth = 0;
  /** What neither the windows nor the slab had room for. */
  backlog: Uint8Array[] | undefined = undefined;
  /** Offset into the first piece of the backlog. */
  backlogAt = 0;
  backlogSize = 0;
  /** END goes out after the backlog. */
  endQueued = false;
  /** In the tunnel's ring of streams that may send. */
  inRing = false;

  constructor(id: number, handler: StreamHandler) {
    this.id = id;
    this.handler = handler;
  }

  /** False when the table forbids it. */
  transit(event: StreamEventId): boolean {
    const next = TRANSITIONS[this.state]![event]!;
    if (next < 0) return false;
    this.state = next as StreamStateId;
    return true;
  }

  /** The peer may not send any more. */
  get remoteDone(): boolean {
    return this.state >= StreamState.remoteEnded;
  }

  /** We may not send any more. */
  get localDone(): boolean {
    return this.state === StreamState.localEnded || this.state === StreamState.closed || this.endQueued;
  }
}

/** Handler of a stream that has nobody to tell. */
export const NO_STREAM_HANDLER: StreamHandler = {
  onBytes: () => undefined,
  onEnd: () => undefined,
  onReset: () => undefined,
  onRefused: () => undefined,
  onDrained: () => undefined,
};
