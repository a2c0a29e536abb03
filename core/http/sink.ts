import type { Fields } from "./fields.ts";
import type { Head } from "./head.ts";

/**
 * Where a parser reports, synchronously and in order:
 * `onHead (onBody* onTrailers? onEnd)`; interim responses are an `onHead` each without an end; after a switch of
 * protocols (`head.upgrade` on a response) there is no end either, the rest of the connection is opaque.
 * Bytes passed here are the buffer that was fed or one of the parser's own: valid during the call only.
 */
export interface HttpSink {
  onHead(head: Head): void;
  /** A piece of the body without its framing: `buf[from, to)`, never empty. */
  onBody(buf: Uint8Array, from: number, to: number): void;
  /** Trailer fields, forbidden ones flagged as dropped; only when the message has any. */
  onTrailers(trailers: Fields): void;
  /** The message is complete. */
  onEnd(): void;
}
