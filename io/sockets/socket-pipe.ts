// hot: every plain byte passes here
/**
 * A socket as a pipe. What is written during one event is gathered in one slab and goes out as one write. The slab is
 * given away with a write that does not complete at once, and a fresh one taken: a buffer that the kernel has not taken
 * yet is never written to again.
 */
import type { Socket } from "node:net";
import type { OnReadOpts } from "node:net";
import { adoptSocket, plainReadBuffer, tlsReadBuffer } from "./adopt.ts";
import { NO_OWNER, PipeEnd } from "./pipe.ts";
import type { Pipe, PipeOwner } from "./pipe.ts";
import { enter, leave, schedule } from "./turn.ts";
import type { Flushable } from "./turn.ts";

const SLAB_SIZE = 65_536;
/** A reader that takes nothing of our last bytes for this long is cut off. */
const LINGER_MS = 10_000;

let slab = Buffer.allocUnsafeSlow(SLAB_SIZE);
let size = 0;
let gathering: SocketPipe | undefined;

export class SocketPipe implements Pipe, Flushable {
  readonly socket: Socket;
  owner: PipeOwner;
  scheduled = false;
  private readonly encrypted: boolean;
  private blocked = false;
  private ended = false;
  private gone = false;
  private opened: boolean;
  private gotEof = false;
  private paused = false;

  constructor(socket: Socket, owner: PipeOwner, encrypted = false) {
    this.socket = socket;
    this.owner = owner;
    this.encrypted = encrypted;
    this.opened = !socket.connecting;
    socket.setNoDelay(true);
    if (!this.opened) socket.once("connect", () => this.onConnect());
    socket.on("end", () => this.onEnd());
    socket.on("drain", () => this.onSocketDrain());
    socket.on("error", () => undefined); // 'close' follows and tells
    socket.on("close", () => this.onClose());
  }

  /** For a socket that was accepted: begins to read. */
  start(): void {
    const buffer = this.encrypted ? tlsReadBuffer : plainReadBuffer;
    adoptSocket(this.socket, buffer, (bytes, count) => this.received(bytes, count));
  }

  /** Options for a socket that is to be connected; `pipe` is called for every read. */
  static onRead(pipe: () => SocketPipe): OnReadOpts {
    return {
      buffer: plainReadBuffer,
      callback: (count, bytes) => {
        pipe().received(bytes, count);
        return true;
      },
    };
  }

  private received(bytes: Uint8Array, count: number): void {
    enter();
    this.owner.onBytes(bytes, 0, count);
    leave();
  }

  /** The connection was established at some time. */
  get wasOpened(): boolean {
    return this.opened;
  }

  get isGone(): boolean {
    return this.gone;
  }

  write(bytes: Uint8Array, from: number, to: number): void {
    if (this.gone || this.ended) return;
    if (gathering !== this) {
      gathering?.flush();
      gathering = this; // oxlint-disable-line typescript/no-this-alias
      schedule(this);
    }
    let at = from;
    while (to - at > SLAB_SIZE - size) {
      const n = SLAB_SIZE - size;
      slab.set(bytes.subarray(at, at + n), size);
      size = SLAB_SIZE;
      at += n;
      this.emit();
    }
    const n = to - at;
    if (n > 48) slab.set(at === 0 && to === bytes.length ? bytes : bytes.subarray(at, to), size);
    else for (let i = at, o = size; i < to; i++, o++) slab[o] = bytes[i]!;
    size += n;
  }

  wantsTurn(): boolean {
    return false;
  }

  flush(): void {
    if (gathering !== this) return;
    this.emit();
    gathering = undefined;
  }

  /** Writes what the slab holds. */
  private emit(): void {
    const n = size;
    size = 0;
    const socket = this.socket;
    if (n === 0 || this.gone) return;
    if (this.encrypted || socket.writableLength > 0 || socket.connecting) {
      socket.write(Uint8Array.prototype.slice.call(slab, 0, n));
    } else {
      socket.write(slab.subarray(0, n));
      if (socket.writableLength > 0) slab = Buffer.allocUnsafeSlow(SLAB_SIZE);
    }
    if (!this.blocked && socket.writableNeedDrain) {
      this.blocked = true;
      this.owner.onBlocked();
    }
  }

  end(): void {
    if (this.ended || this.gone) return;
    this.flush();
    this.ended = true;
    this.socket.end();
  }

  /** Ends our side and lets the peer read it; gives up when the peer does not end its own within a while. */
  finish(): void {
    this.end();
    this.owner = NO_OWNER;
    if (this.gone) return;
    this.resume();
    if (this.gotEof && this.socket.writableLength === 0) return;
    this.socket.setTimeout(LINGER_MS, () => this.socket.destroy());
  }

  destroy(): void {
    if (this.gone) return;
    this.flush();
    this.gone = true;
    this.owner = NO_OWNER;
    if (this.encrypted || this.socket.connecting) this.socket.destroy();
    else resetAndDestroy(this.socket);
  }

  pause(): void {
    this.paused = true;
    this.socket.pause();
  }

  resume(): void {
    if (!this.paused || this.gone) return;
    this.paused = false;
    this.socket.resume();
  }

  private onConnect(): void {
    this.opened = true;
  }

  private onEnd(): void {
    this.gotEof = true;
    enter();
    this.owner.onEof();
    leave();
  }

  private onSocketDrain(): void {
    if (!this.blocked) return;
    this.blocked = false;
    enter();
    this.owner.onDrain();
    leave();
  }

  private onClose(): void {
    if (this.gone) return;
    this.gone = true;
    const reason = !this.opened ? PipeEnd.unopened : this.gotEof && this.ended ? PipeEnd.closed : PipeEnd.reset;
    enter();
    this.owner.onGone(reason);
    leave();
  }
}

/** A socket on a path knows no reset, and throws when it is asked for one. */
function resetAndDestroy(socket: Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    socket.destroy();
  }
}
