// hot: every TCP byte passes here
/** Bytes between a client and an upstream, each direction with its own end (half-close) and its own back pressure. */
import { PipeEnd } from "../io/sockets/pipe.ts";
import type { Pipe, PipeOwner } from "../io/sockets/pipe.ts";
import { Replay, REPLAY_MAX } from "./replay.ts";

export interface TcpRelayOptions {
  /** The upstream is gone before any byte came back; return true when another attempt was begun. */
  readonly again: (relay: TcpRelay, failed: Pipe, replayable: boolean) => boolean;
  /** Everything ended. */
  readonly onOver: (relay: TcpRelay) => void;
}

export class TcpRelay implements PipeOwner {
  readonly down: Pipe;
  /** Bytes from the client, and to it. */
  sentBytes = 0;
  receivedBytes = 0;
  over = false;
  private readonly options: TcpRelayOptions;
  private readonly replay = new Replay();
  private up: Pipe | undefined = undefined;
  private readonly upSide: PipeOwner;
  private downEof = false;
  private upEof = false;
  private heard = false;
  private upBlocked = false;

  constructor(down: Pipe, options: TcpRelayOptions) {
    this.down = down;
    this.options = options;
    this.upSide = {
      onBytes: (bytes, from, to) => this.fromUp(bytes, from, to),
      onEof: () => this.upEnded(),
      onGone: (reason) => this.upGone(reason),
      onBlocked: () => {
        this.upBlocked = true;
        this.down.pause();
      },
      onDrain: () => {
        this.upBlocked = false;
        this.down.resume();
      },
    };
    down.owner = this;
  }

  /** Bytes go to this pipe from now on, those that waited first. */
  attach(up: Pipe): void {
    this.up = up;
    this.upBlocked = false;
    up.owner = this.upSide;
    const { replay } = this;
    if (replay.size > 0) up.write(replay.bytes!, 0, replay.size);
    if (this.downEof) up.end();
    if (!this.upBlocked) this.down.resume();
  }

  onBytes(bytes: Uint8Array, from: number, to: number): void {
    this.sentBytes += to - from;
    const { replay } = this;
    if (!replay.spent) {
      if (this.up === undefined || replay.size + to - from <= REPLAY_MAX) replay.add(bytes, from, to);
      else replay.spend();
    }
    if (this.up === undefined) this.down.pause();
    else this.up.write(bytes, from, to);
  }

  private fromUp(bytes: Uint8Array, from: number, to: number): void {
    this.receivedBytes += to - from;
    if (!this.heard) {
      this.heard = true;
      this.replay.spend();
    }
    this.down.write(bytes, from, to);
  }

  onEof(): void {
    this.downEof = true;
    this.up?.end();
    this.finishIfDone();
  }

  private upEnded(): void {
    this.upEof = true;
    this.down.end();
    this.finishIfDone();
  }

  onGone(reason: PipeEnd): void {
    if (this.over || (reason === PipeEnd.closed && this.downEof && this.upEof)) return;
    this.up?.destroy();
    this.finish();
  }

  private upGone(reason: PipeEnd): void {
    if (this.over || (reason === PipeEnd.closed && this.downEof && this.upEof)) return;
    const failed = this.up!;
    this.up = undefined;
    if (!this.heard && !this.upEof && this.options.again(this, failed, !this.replay.spent)) return;
    this.cut();
  }

  onBlocked(): void {
    this.up?.pause();
  }

  onDrain(): void {
    this.up?.resume();
  }

  /** Resets both sides. */
  cut(): void {
    if (this.over) return;
    this.up?.destroy();
    this.down.destroy();
    this.finish();
  }

  /** Forgets the client's side, which has been told. */
  abandon(): void {
    this.finish();
  }

  private finishIfDone(): void {
    if (this.downEof && this.upEof) this.finish();
  }

  private finish(): void {
    if (this.over) return;
    this.over = true;
    this.replay.reset();
    this.options.onOver(this);
  }
}
