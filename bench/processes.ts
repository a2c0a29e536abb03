/** Every process that the benchmark starts, what it costs, and its end: by its own id, nothing else is touched. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";

const TICKS_PER_SECOND = Number(spawnSync("getconf", ["CLK_TCK"]).stdout?.toString() || "100");
const OUTPUT_CHARACTERS_MAX = 4_000;
const STOP_MS = 3_000;

export interface Started {
  readonly name: string;
  readonly pid: number;
  /** The last of what it wrote. */
  output(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface StartOptions {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Starts and remembers; `stopAll` ends the remembered ones. */
export class Processes {
  private readonly running = new Set<Started>();

  start(name: string, command: string, options: StartOptions): Started {
    const child = spawn(command, options.args, {
      stdio: ["ignore", "pipe", "pipe"], cwd: options.cwd, env: { ...process.env, ...options.env },
    });
    if (child.pid === undefined) throw new Error(`${name}: cannot start ${command}`);
    let output = "";
    const keep = (data: Buffer): void => void (output = (output + data.toString()).slice(-OUTPUT_CHARACTERS_MAX));
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const started: Started = {
      name, pid: child.pid, output: () => output,
      stop: async (signal = "SIGTERM") => {
        await stop(child, signal);
        this.running.delete(started);
      },
    };
    this.running.add(started);
    return started;
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.running].map((one) => one.stop()));
  }
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => void child.once("exit", () => resolve()));
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await exited;
  clearTimeout(timer);
}

/** User and system time of a process since it started, microseconds (a tick is 10 ms). */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field is the name in brackets and may hold spaces; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SECOND;
}

export interface Memory {
  /** Private memory: what this process alone makes the machine hold. */
  readonly anonymousBytes: number;
  /** Its share of all pages, shared ones divided among their users. */
  readonly pssBytes: number;
}

export function memoryOf(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  const kb = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? "0");
  return { anonymousBytes: kb("Anonymous") * 1024, pssBytes: kb("Pss") * 1024 };
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  return port;
}

/** Resolves when the port accepts; rejects with the process's output after 10 s. */
export async function accepting(port: number, started: Started): Promise<void> {
  const until = Date.now() + 10_000;
  while (!(await tryConnect(port))) {
    if (Date.now() > until) throw new Error(`${started.name} does not listen on ${port}: ${started.output()}`);
    await new Promise((resolve) => void setTimeout(resolve, 30));
  }
}

function tryConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
