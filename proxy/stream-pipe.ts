// hot: one per request
import { NO_OWNER, PipeEnd } from "../io/sockets/pipe.ts";
import type { Pipe, PipeOwner } from "../io/sockets/pipe.ts";
import { ResetCode } from "../core/tunnel/frames.ts";
import { NO_STREAM_HANDLER, StreamEvent, TunnelStream } from "../core/tunnel/stream.ts";
import type { StreamHandler } from "../core/tunnel/stream.ts";
import type { Tunnel } from "../core/tunnel/tunnel.ts";

const NO_STREAM = new TunnelStream(0, NO_STREAM_HANDLER);
NO_STREAM.transit(StreamEvent.cut);

/** A stream of a tunnel as a pipe. Pausing it keeps its credit back; bytes that are on their way still come. */
export class StreamPipe implements Pipe, StreamHandler {
  owner: PipeOwner;
  readonly tunnel: Tunnel;
  stream: TunnelStream;
  /** Code of the REFUSE that answered its OPEN; 0: none. */
  refusedCode = 0;
  /** Code of the RESET that ended it. */
  resetCode = 0;
  private paused = false;
  private owed = 0;
  private blocked = false;
  private detached = false;

  constructor(tunnel: Tunnel, stream: TunnelStream | undefined, owner: PipeOwner) {
    this.tunnel = tunnel;
    this.stream = stream ?? NO_STREAM;
    this.owner = owner;
  }

  write(bytes: Uint8Array, from: number, to: number): void {
    if (this.stream.localDone || this.tunnel.send(this.stream, bytes, from, to) || this.blocked) return;
    this.blocked = true;
    this.owner.onBlocked();
  }

  end(): void {
    this.tunnel.end(this.stream);
  }

  destroy(): void {
    this.cut(ResetCode.cancelled);
  }

  cut(code: number): void {
    this.owner = NO_OWNER;
    this.tunnel.reset(this.stream, code);
  }

  /** Accepting side: says that nothing of the stream reached an application. */
  refuse(code: number): void {
    this.owner = NO_OWNER;
    this.tunnel.refuse(this.stream, code);
  }

  /** Cuts the stream and tells the owner as well as the peer. */
  kill(code: number): void {
    this.tunnel.reset(this.stream, code);
    this.onReset(code);
  }

  /** Nobody listens any more; if the peer sends more than its end, the stream is cut. */
  detach(): void {
    this.owner = NO_OWNER;
    this.detached = true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    const owed = this.owed;
    this.owed = 0;
    if (owed > 0) this.tunnel.credit(this.stream, owed);
  }

  onBytes(bytes: Uint8Array, from: number, to: number): void {
    if (this.detached) return this.cut(ResetCode.cancelled);
    this.owner.onBytes(bytes, from, to);
    if (this.paused) this.owed += to - from;
    else this.tunnel.credit(this.stream, to - from);
  }

  onEnd(): void {
    this.owner.onEof();
  }

  onReset(code: number): void {
    this.resetCode = code;
    this.owner.onGone(PipeEnd.reset);
  }

  onRefused(code: number): void {
    this.refusedCode = code;
    this.owner.onGone(PipeEnd.unopened);
  }

  onDrained(): void {
    if (!this.blocked) return;
    this.blocked = false;
    this.owner.onDrain();
  }
}
