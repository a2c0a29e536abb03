/**
 * The socket between agent and proxy. It carries private keys, so its folder is 0700, and a peer is let in only when
 * the kernel says that it is the very process that the agent started. Snapshots go one at a time: while the proxy works
 * on one, newer ones replace each other, and the newest follows its acknowledgement.
 */
import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { MeshError } from "../core/base/errors.ts";
import type { AgentToProxy, ListenerState, ProxyToAgent } from "../core/model/control.ts";
import type { ProxySnapshot } from "../core/model/snapshot.ts";
import type { ProxyStats } from "../core/model/telemetry.ts";
import { type PeerCred, socketPeer } from "../io/ffi.ts";
import type { Logger } from "../io/logger.ts";
import { FrameReader, encodeFrame } from "./frames.ts";

const HELLO_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 5_000;

export interface ProxyStatus {
  readonly connected: boolean;
  readonly pid: number;
  /** Version in force in the running proxy; 0: none yet. */
  readonly ackedVersion: number;
  /** The newest version that was compiled. */
  readonly wantedVersion: number;
  /** Why the proxy refused the newest snapshot; empty when it did not. */
  readonly nack: string;
  readonly listeners: readonly ListenerState[];
}

export interface ProxyControlOptions {
  readonly path: string;
  readonly log: Logger;
  /** The process that may connect. */
  readonly pid: () => number | undefined;
  /** An acknowledgement, a refusal, a new connection or the end of one. */
  readonly onChange: () => void;
}

interface Question {
  readonly resolve: (message: ProxyToAgent) => void;
  readonly reject: (error: MeshError) => void;
  readonly timer: NodeJS.Timeout;
}

export class ProxyControl {
  readonly #options: ProxyControlOptions;
  readonly #server: Server;
  #socket: Socket | undefined;
  #pid = 0;
  #ready = false;
  #wanted: ProxySnapshot | undefined;
  #sentVersion = 0;
  #ackedVersion = 0;
  #busy = false;
  #nack = "";
  #listeners: readonly ListenerState[] = [];
  #seq = 0;
  readonly #questions = new Map<number, Question>();

  constructor(options: ProxyControlOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  listen(): Promise<void> {
    rmSync(this.#options.path, { force: true });
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      const before = process.umask(0o177);
      this.#server.listen(this.#options.path, () => resolve());
      process.umask(before);
    });
  }

  status(): ProxyStatus {
    return { connected: this.#ready, pid: this.#pid, ackedVersion: this.#ackedVersion,
      wantedVersion: this.#wanted?.version ?? 0, nack: this.#nack, listeners: this.#listeners };
  }

  /** The newest snapshot; sent as soon as the proxy has taken the last one. */
  push(snapshot: ProxySnapshot): void {
    this.#wanted = snapshot;
    this.#send();
  }

  async stats(): Promise<ProxyStats> {
    const answer = await this.#ask((seq) => ({ type: "stats", seq }));
    if (answer.type !== "stats") throw new MeshError("INTERNAL", "the proxy answered another question");
    return answer.stats;
  }

  /** What the proxy really runs. */
  async dump(): Promise<unknown> {
    const answer = await this.#ask((seq) => ({ type: "dump", seq }));
    if (answer.type !== "dump") throw new MeshError("INTERNAL", "the proxy answered another question");
    return answer.dump;
  }

  /** Asks the proxy to let what runs end, and then to exit. */
  shutdown(graceMs: number): void {
    this.#write({ type: "shutdown", graceMs });
  }

  /** Ends the connection, which ends the proxy. */
  close(): void {
    this.#socket?.destroy();
    this.#server.close();
    rmSync(this.#options.path, { force: true });
  }

  #accept(socket: Socket): void {
    const { log, pid } = this.#options;
    const peer = peerOf(socket);
    if (peer === undefined || peer.uid !== process.getuid!() || peer.pid !== pid()) {
      log.error({ peerPid: peer?.pid, peerUid: peer?.uid }, "a process that is not our proxy tried the control socket");
      socket.destroy();
      return;
    }
    this.#socket?.destroy();
    this.#socket = socket;
    const reader = new FrameReader();
    const hello = setTimeout(() => socket.destroy(new Error("no hello")), HELLO_TIMEOUT_MS);
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) this.#receive(socket, message as ProxyToAgent, hello);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on("error", (error) => log.warn({ err: error }, "the proxy's control connection broke"));
    socket.on("close", () => {
      clearTimeout(hello);
      this.#gone(socket);
    });
  }

  #receive(socket: Socket, message: ProxyToAgent, hello: NodeJS.Timeout): void {
    if (socket !== this.#socket) return;
    switch (message.type) {
      case "hello":
        clearTimeout(hello);
        this.#pid = message.pid;
        this.#ready = true;
        this.#options.log.info({ proxyPid: message.pid }, "the proxy is connected");
        this.#send();
        break;
      case "ack":
        this.#ackedVersion = message.version;
        this.#listeners = message.listeners;
        this.#settled("");
        break;
      case "nack":
        this.#options.log.error({ version: message.version, reason: message.error }, "the proxy refused a snapshot");
        this.#settled(message.error);
        break;
      case "stats":
      case "dump":
        this.#answer(message.seq, message);
        break;
      default:
        throw new Error(`unknown message ${JSON.stringify((message as { type?: unknown }).type)}`);
    }
    this.#options.onChange();
  }

  #settled(nack: string): void {
    this.#busy = false;
    this.#nack = nack;
    this.#send();
  }

  #send(): void {
    if (!this.#ready || this.#busy || this.#wanted === undefined || this.#wanted.version === this.#sentVersion) return;
    this.#busy = true;
    this.#sentVersion = this.#wanted.version;
    this.#write({ type: "snapshot", snapshot: this.#wanted });
  }

  #gone(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    this.#ready = false;
    this.#busy = false;
    this.#pid = 0;
    this.#sentVersion = 0;
    this.#ackedVersion = 0;
    this.#listeners = [];
    for (const seq of this.#questions.keys()) this.#fail(seq, "the proxy went away");
    this.#options.onChange();
  }

  #write(message: AgentToProxy): void {
    this.#socket?.write(encodeFrame(message));
  }

  #ask(make: (seq: number) => AgentToProxy): Promise<ProxyToAgent> {
    if (!this.#ready) {
      return Promise.reject(new MeshError("UNREACHABLE", "the proxy is not running", { fix: "mesh status says why" }));
    }
    const seq = ++this.#seq;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(seq, "the proxy did not answer in time"), ANSWER_TIMEOUT_MS);
      this.#questions.set(seq, { resolve, reject, timer });
      this.#write(make(seq));
    });
  }

  #answer(seq: number, message: ProxyToAgent): void {
    const question = this.#questions.get(seq);
    if (question === undefined) return;
    this.#questions.delete(seq);
    clearTimeout(question.timer);
    question.resolve(message);
  }

  #fail(seq: number, reason: string): void {
    const question = this.#questions.get(seq);
    if (question === undefined) return;
    this.#questions.delete(seq);
    clearTimeout(question.timer);
    question.reject(new MeshError("UNREACHABLE", reason, { fix: "mesh status says whether the proxy runs" }));
  }
}

/** Undefined, and so refused, when the kernel does not say: for a process of another pid namespace it has no pid. */
function peerOf(socket: Socket): PeerCred | undefined {
  try {
    return socketPeer(socket);
  } catch {
    return undefined;
  }
}
