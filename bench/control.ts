/** The agent's end of the control socket (core/model/control.ts), as little of it as a benchmark needs. */
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import type { AgentToProxy, ListenerState, ProxyToAgent } from "../core/model/control.ts";
import type { ProxySnapshot } from "../core/model/snapshot.ts";
import type { ProxyStats } from "../core/model/telemetry.ts";

const WAIT_MS = 15_000;

export interface ControlLink {
  /** Sends the snapshot; resolves with the listeners once it is in force. */
  apply(snapshot: ProxySnapshot): Promise<readonly ListenerState[]>;
  stats(): Promise<ProxyStats>;
}

/** Listens on `path`, then runs `startProxy`, which must make a proxy connect there. */
export async function controlProxy(path: string, startProxy: () => void): Promise<ControlLink> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  const connected = new Promise<Socket>((resolve) => void server.once("connection", resolve));
  startProxy();
  const socket = await within(connected, `no proxy connected to ${path}`);
  server.close();
  server.unref();
  socket.unref();
  const waiting: { matches: (m: ProxyToAgent) => boolean; resolve: (m: ProxyToAgent) => void }[] = [];
  readFrames(socket, (message) => {
    const index = waiting.findIndex((one) => one.matches(message));
    if (index >= 0) waiting.splice(index, 1)[0]!.resolve(message);
  });
  const ask = (message: AgentToProxy, matches: (m: ProxyToAgent) => boolean): Promise<ProxyToAgent> => {
    const answer = new Promise<ProxyToAgent>((resolve) => void waiting.push({ matches, resolve }));
    socket.write(encodeFrame(message));
    return within(answer, `the proxy did not answer "${message.type}"`);
  };
  let seq = 0;
  return {
    apply: async (snapshot) => {
      const answer = await ask({ type: "snapshot", snapshot }, (m) => m.type === "ack" || m.type === "nack");
      if (answer.type !== "ack") throw new Error(`the proxy refused the snapshot: ${JSON.stringify(answer)}`);
      const failed = answer.listeners.find((listener) => listener.error !== "");
      if (failed !== undefined) throw new Error(`${failed.key}: ${failed.error}`);
      return answer.listeners;
    },
    stats: async () => {
      const mine = ++seq;
      const answer = await ask({ type: "stats", seq: mine }, (m) => m.type === "stats" && m.seq === mine);
      if (answer.type !== "stats") throw new Error("not stats");
      return answer.stats;
    },
  };
}

function encodeFrame(message: AgentToProxy): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

function readFrames(socket: Socket, onMessage: (message: ProxyToAgent) => void): void {
  let held = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (data: Buffer) => {
    held = Buffer.concat([held, data]);
    while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
      const end = 4 + held.readUInt32BE();
      onMessage(JSON.parse(held.toString("utf8", 4, end)) as ProxyToAgent);
      held = held.subarray(end);
    }
  });
}

async function within<T>(promise: Promise<T>, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => void (timer = setTimeout(() => reject(new Error(message)), WAIT_MS)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
