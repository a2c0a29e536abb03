// hot: lends a connection per request
/** Connections to one application instance of this host. Idle ones serve again, the latest first. */
import { connect } from "node:net";
import { NO_OWNER } from "../io/sockets/pipe.ts";
import type { PipeOwner } from "../io/sockets/pipe.ts";
import { SocketPipe } from "../io/sockets/socket-pipe.ts";

/** Less than the 5 s after which Node's own servers close: a request must not meet a connection that is just ending. */
const IDLE_MAX_MS = 3_000;
const IDLE_COUNT_MAX = 1_024;
const CONNECT_TIMEOUT_MS = 5_000;

/** One connection; its owner is the exchange that uses it, or itself while idle. */
export class AppConnection implements PipeOwner {
  readonly pipe: SocketPipe;
  /** Exchanges that it has served. */
  served = 0;
  idleSinceMs = 0;
  private readonly pool: AppPool;

  constructor(pool: AppPool, pipe: SocketPipe) {
    this.pool = pool;
    this.pipe = pipe;
  }

  /** Bytes that nobody asked for: whatever they answer, it is not the next request (pitfall 44). */
  onBytes(): void {
    this.drop();
  }

  onEof(): void {
    this.drop();
  }

  onGone(): void {
    this.pool.forget(this);
  }

  onBlocked(): void {}

  onDrain(): void {}

  private drop(): void {
    this.pool.forget(this);
    this.pipe.destroy();
  }
}

export class AppPool {
  readonly host: string;
  readonly port: number;
  private idle: AppConnection[] = [];
  private closed = false;

  constructor(host: string, port: number) {
    this.host = host;
    this.port = port;
  }

  get idleCount(): number {
    return this.idle.length;
  }

  /** An idle connection, or a new one that is still opening: writes wait, and its owner hears if it never opens. */
  take(fresh = false): AppConnection {
    const idle = fresh ? undefined : this.idle.pop();
    if (idle !== undefined) {
      idle.pipe.owner = NO_OWNER;
      return idle;
    }
    return new AppConnection(this, openPipe(this.host, this.port));
  }

  /** After a complete and clean exchange only. */
  give(connection: AppConnection): void {
    if (connection.pipe.isGone) return;
    if (this.closed || this.idle.length >= IDLE_COUNT_MAX) {
      connection.pipe.finish();
      return;
    }
    connection.served++;
    connection.idleSinceMs = performance.now();
    connection.pipe.owner = connection;
    connection.pipe.resume();
    this.idle.push(connection);
  }

  forget(connection: AppConnection): void {
    const at = this.idle.indexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
  }

  tick(nowMs: number): void {
    while (this.idle.length > 0 && nowMs - this.idle[0]!.idleSinceMs > IDLE_MAX_MS) this.idle.shift()!.pipe.finish();
  }

  /** What is lent now ends when it is given back. */
  close(): void {
    this.closed = true;
    for (const connection of this.idle) connection.pipe.finish();
    this.idle = [];
  }
}

/** A connection of its own, for bytes. */
export function openPipe(host: string, port: number): SocketPipe {
  const pipe: SocketPipe = new SocketPipe(
    connect({ host, port, allowHalfOpen: true, onread: SocketPipe.onRead(() => pipe) }),
    NO_OWNER,
  );
  const { socket } = pipe;
  socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy());
  socket.once("connect", () => socket.setTimeout(0));
  return pipe;
}
