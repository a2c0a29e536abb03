/**
 * One shape for everything that carries bytes both ways: a plain socket, a TLS socket, a stream of a tunnel. The proxy
 * joins two of them and never asks which kind they are.
 */

/** Hears from a pipe, synchronously. Bytes are valid during the call only. */
export interface PipeOwner {
  onBytes(bytes: Uint8Array, from: number, to: number): void;
  /** The peer will send no more; writing goes on. */
  onEof(): void;
  /** The pipe is gone: reset, failed or fully closed. Nothing follows. */
  onGone(reason: PipeEnd): void;
  /** What was written waits: stop feeding (`pause` the other side) until `onDrain`. */
  onBlocked(): void;
  onDrain(): void;
}

/** How a pipe ended. */
export const PipeEnd = {
  /** Both directions ended in order. */
  closed: "closed",
  /** The peer cut it, or the network did. */
  reset: "reset",
  /** It never came to be: nothing that was written was read by anybody. */
  unopened: "unopened",
} as const;
export type PipeEnd = (typeof PipeEnd)[keyof typeof PipeEnd];

export interface Pipe {
  owner: PipeOwner;
  /** The bytes are copied before the call returns. Ignored when the pipe is gone or ended. */
  write(bytes: Uint8Array, from: number, to: number): void;
  /** No more will be written. */
  end(): void;
  /** Cuts both directions so that the peer can tell it from an orderly end. The owner hears nothing more. */
  destroy(): void;
  /** Stops reading; a few more bytes may still be delivered. */
  pause(): void;
  resume(): void;
}

/** Owner of a pipe that nobody is interested in any more. */
export const NO_OWNER: PipeOwner = {
  onBytes: () => undefined,
  onEof: () => undefined,
  onGone: () => undefined,
  onBlocked: () => undefined,
  onDrain: () => undefined,
};
