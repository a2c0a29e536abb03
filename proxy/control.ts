/** The proxy's end of its agent's socket: frames of a 4-byte big-endian length and JSON (core/model/control.ts). */
import { connect } from "node:net";
import type { Socket } from "node:net";
import type { AgentToProxy, ProxyToAgent } from "../core/model/control.ts";

const FRAME_MAX = 64 * 1024 * 1024;

export interface ControlHandler {
  onMessage(message: AgentToProxy): void;
  /** The agent is gone, or said what we do not understand. */
  onClosed(reason: string): void;
}

export class ControlClient {
  private readonly socket: Socket;
  private readonly handler: ControlHandler;
  private pieces: Buffer[] = [];
  private size = 0;
  private closed = false;

  constructor(path: string, handler: ControlHandler) {
    this.handler = handler;
    this.socket = connect(path);
    this.socket.on("connect", () => this.send({ type: "hello", pid: process.pid, protocol: 1 }));
    this.socket.on("data", (bytes: Buffer) => this.received(bytes));
    this.socket.on("error", (error) => this.close(error.message));
    this.socket.on("close", () => this.close("the agent closed the control socket"));
  }

  send(message: ProxyToAgent): void {
    const body = Buffer.from(JSON.stringify(message));
    const head = Buffer.alloc(4);
    head.writeUInt32BE(body.length);
    this.socket.write(Buffer.concat([head, body]));
  }

  private received(bytes: Buffer): void {
    this.pieces.push(bytes);
    this.size += bytes.length;
    while (this.size >= 4 && !this.closed) {
      const first = this.pieces[0]!;
      if (first.length < 4) this.pieces = [Buffer.concat(this.pieces)];
      const length = this.pieces[0]!.readUInt32BE();
      if (length > FRAME_MAX) return this.close("a control frame is larger than 64 MiB");
      if (this.size < 4 + length) return;
      const all = this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat(this.pieces);
      this.pieces = all.length > 4 + length ? [all.subarray(4 + length)] : [];
      this.size -= 4 + length;
      this.dispatch(all.toString("utf8", 4, 4 + length));
    }
  }

  private dispatch(text: string): void {
    let message: AgentToProxy;
    try {
      message = JSON.parse(text) as AgentToProxy;
    } catch {
      return this.close("a control frame is not JSON");
    }
    this.handler.onMessage(message);
  }

  close(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.destroy();
    this.handler.onClosed(reason);
  }
}
