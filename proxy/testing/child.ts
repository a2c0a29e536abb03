/** A proxy in a process of its own, with this test as its agent. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentToProxy, ListenerState, ProxyToAgent } from "../../core/model/control.ts";
import { PROXY_ENVIRONMENT, PROXY_NODE_FLAGS } from "../../core/model/proxy-flags.ts";
import type { ProxySnapshot } from "../../core/model/snapshot.ts";
import type { ProxyStats } from "../../core/model/telemetry.ts";
import { until } from "./mesh.ts";

export class ChildProxy {
  readonly process: ChildProcess;
  /** Everything it has said and that nobody asked for yet. */
  readonly messages: ProxyToAgent[] = [];
  exit: { code: number | null } | undefined;
  private readonly folder: string;
  private readonly server: Server;
  private control: Socket | undefined;
  private seq = 0;

  private constructor(folder: string, server: Server, process: ChildProcess) {
    this.folder = folder;
    this.server = server;
    this.process = process;
    process.on("exit", (code) => {
      this.exit = { code };
    });
    server.on("connection", (socket) => this.connected(socket));
  }

  /** Starts it and waits until it says hello. */
  static async start(): Promise<ChildProxy> {
    const folder = mkdtempSync(join(tmpdir(), "proxy-test-"));
    const path = join(folder, "control.sock");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const main = new URL("../main.ts", import.meta.url).pathname;
    const node = new URL("../../node_modules/.bin/node", import.meta.url).pathname;
    const cache = new URL("../../node_modules/.cache/compile", import.meta.url).pathname;
    const child = new ChildProxy(folder, server, spawn(node, [...PROXY_NODE_FLAGS, main, "--socket", path], {
      env: { PATH: "/usr/bin:/bin", NODE_COMPILE_CACHE: cache, ...PROXY_ENVIRONMENT },
      stdio: ["ignore", "inherit", "pipe"],
    }));
    await until("the proxy says hello", () => child.messages.some(({ type }) => type === "hello"));
    return child;
  }

  private connected(socket: Socket): void {
    this.control = socket;
    let held = Buffer.alloc(0);
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      held = Buffer.concat([held, bytes]);
      while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
        const size = held.readUInt32BE();
        this.messages.push(JSON.parse(held.toString("utf8", 4, 4 + size)) as ProxyToAgent);
        held = held.subarray(4 + size);
      }
    });
  }

  send(message: AgentToProxy): void {
    const body = Buffer.from(JSON.stringify(message));
    const head = Buffer.alloc(4);
    head.writeUInt32BE(body.length);
    // In pieces, as a socket may deliver them.
    this.control!.write(head.subarray(0, 3));
    this.control!.write(Buffer.concat([head.subarray(3), body]));
  }

  async answer<T extends ProxyToAgent["type"]>(type: T): Promise<Extract<ProxyToAgent, { type: T }>> {
    await until(`the proxy answers ${type}`, () => this.messages.some((one) => one.type === type), 10_000);
    const at = this.messages.findIndex((one) => one.type === type);
    return this.messages.splice(at, 1)[0] as Extract<ProxyToAgent, { type: T }>;
  }

  async apply(snapshot: ProxySnapshot): Promise<readonly ListenerState[]> {
    this.send({ type: "snapshot", snapshot });
    return (await this.answer("ack")).listeners;
  }

  /** Applies, and returns the port of one listener. */
  async portAfter(snapshot: ProxySnapshot, key: string): Promise<number> {
    const state = (await this.apply(snapshot)).find((one) => one.key === key)!;
    return Number(state.address.slice(state.address.lastIndexOf(":") + 1));
  }

  async stats(): Promise<ProxyStats> {
    this.send({ type: "stats", seq: ++this.seq });
    return (await this.answer("stats")).stats;
  }

  /** Private memory in bytes. */
  anonymousBytes(): number {
    const text = readFileSync(`/proc/${this.process.pid}/smaps_rollup`, "latin1");
    return 1024 * Number(/^Anonymous:\s+(\d+)/m.exec(text)![1]);
  }

  hangUp(): void {
    this.control?.destroy();
  }

  close(): void {
    this.process.kill("SIGKILL");
    this.hangUp();
    this.server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
