import type { Certificates } from "../certificates.ts";
import type { Processes } from "../processes.ts";
import type { Tools } from "../tools.ts";

export interface LaneContext {
  readonly processes: Processes;
  readonly tools: Tools;
  readonly certificates: Certificates;
  /** Private folder for configuration files and sockets. */
  readonly folder: string;
  /** The server behind every lane. */
  readonly backendPort: number;
  readonly proxyFlags: readonly string[];
}

/** One way from the load generator to the backend. */
export interface Lane {
  readonly name: string;
  readonly title: string;
  readonly port: number;
  /** The proxies on the way, whose CPU and memory count. */
  readonly pids: readonly number[];
  /** What the proxies say about themselves, where they do. */
  loopDelayP99Ms?(): Promise<number>;
}
