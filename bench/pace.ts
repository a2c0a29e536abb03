/**
 * A fixed rate, evenly spread: one request goes out at every tick of the schedule on the next free connection. (h2load
 * and wrk send theirs in bursts, one per connection at once, which measures the burst.) A request that finds no free
 * connection waits, and the wait counts as its latency, so a stall is seen by all requests that it delays.
 */
import { connect } from "node:net";
import type { Socket } from "node:net";
import { Method } from "../core/http/constants.ts";
import { HttpError } from "../core/http/errors.ts";
import type { Head } from "../core/http/head.ts";
import { HttpParser } from "../core/http/parser.ts";
import type { LoadResult } from "./load.ts";

export interface PaceOptions {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  /** Requests in all. */
  readonly perSecond: number;
  readonly seconds: number;
}

const DRAIN_MS = 2_000;

interface Client {
  readonly socket: Socket;
  /** When the request in flight was due; NaN: free. */
  sentAt: number;
}

/** Holds the rate for the time, then waits for the last answers. */
export async function paced(options: PaceOptions): Promise<LoadResult> {
  const { port, path, connections, perSecond, seconds } = options;
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  const latencies: number[] = [];
  const overdue: number[] = [];
  const free: Client[] = [];
  let failed = 0;
  const send = (client: Client, due: number): void => {
    client.sentAt = due;
    client.socket.write(request);
  };
  const done = (client: Client, ok: boolean): void => {
    if (ok) latencies.push(performance.now() - client.sentAt);
    else failed++;
    client.sentAt = Number.NaN;
    const next = overdue.shift();
    if (next === undefined) free.push(client);
    else send(client, next);
  };
  const clients = await Promise.all(Array.from({ length: connections }, () => open(port, done)));
  free.push(...clients);
  const start = performance.now();
  const total = perSecond * seconds;
  let sent = 0;
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const now = performance.now();
      const due = Math.min(total, Math.floor(((now - start) * perSecond) / 1_000) + 1);
      for (; sent < due; sent++) {
        const client = free.shift();
        if (client === undefined) overdue.push(now);
        else send(client, now);
      }
      if (sent < total) setTimeout(tick, 1);
      else resolve();
    };
    tick();
  });
  const until = performance.now() + DRAIN_MS;
  while (latencies.length + failed < total && performance.now() < until) {
    await new Promise((resolve) => void setTimeout(resolve, 10));
  }
  for (const client of clients) client.socket.destroy();
  return summarise(latencies, total - latencies.length, seconds);
}

/** Percentiles of latencies in milliseconds. */
export function summarise(latencies: number[], failed: number, seconds: number): LoadResult {
  latencies.sort((a, b) => a - b);
  const last = latencies.length - 1;
  const at = (share: number): number => latencies[Math.min(last, Math.floor(share * latencies.length))] ?? Number.NaN;
  const requests = latencies.length;
  return { requests, perSecond: requests / seconds, p50: at(0.5), p99: at(0.99), p999: at(0.999), failed };
}

async function open(port: number, done: (client: Client, ok: boolean) => void): Promise<Client> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  const client: Client = { socket, sentAt: Number.NaN };
  let ok = true;
  const parser = new HttpParser("response", {
    onHead: (head: Head) => void (ok = head.status >= 200 && head.status < 300 && head.keepAlive),
    onBody() {},
    onTrailers() {},
    onEnd: () => done(client, ok),
  });
  socket.on("data", (data: Buffer) => {
    parser.expectResponse(Method.get, false);
    parser.execute(data, 0, data.length);
    if (parser.error !== HttpError.none) socket.destroy();
  });
  socket.on("error", () => {});
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return client;
}
