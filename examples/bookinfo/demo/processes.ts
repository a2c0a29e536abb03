/** The demo's child processes: every one is known, watched and ended with the demo. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type WriteStream, createWriteStream, existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

export const ROOT = resolve(import.meta.dirname, "../../..");
const MESH = join(ROOT, "bin/mesh");
const NODE = join(ROOT, "bin/mesh-node");
const APPS = join(import.meta.dirname, "../apps/main.ts");
const GRACE_MS = 5_000;
const POLL_MS = 25;

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Processes {
  readonly #children = new Map<string, ChildProcess>();
  readonly #logs: WriteStream[] = [];
  readonly #folder: string;
  #stopping = false;

  /** `folder` takes one log file for each child. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Starts `mesh ARGS…` as a daemon. */
  mesh(name: string, args: readonly string[]): ChildProcess {
    return this.#spawn(name, MESH, args);
  }

  /** Starts an application; resolves to its port once it listens. */
  async application(name: string, args: readonly string[]): Promise<number> {
    const child = this.#spawn(name, NODE, [APPS, ...args]);
    const lines = createInterface({ input: child.stdout! });
    const ended = once(child, "exit").then(() => undefined);
    const first = (await Promise.race([once(lines, "line"), ended])) as [string] | undefined;
    if (first === undefined) throw new Error(`${name} ended before it listened: ${this.tail(name)}`);
    return (JSON.parse(first[0]) as { port: number }).port;
  }

  /** The end of a child's log, for an error message. */
  tail(name: string): string {
    const file = this.logFile(name);
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").slice(-5).join("\n") : "";
  }

  logFile(name: string): string {
    return join(this.#folder, `${name}.log`);
  }

  /** Reads a JSON file once a child has written it; fails when the child ends first or the time is over. */
  async ready<T>(name: string, file: string, timeoutMs = 30_000): Promise<T> {
    const child = this.#children.get(name);
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
      if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")) as T;
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`${name} ended before it was ready:\n${this.tail(name)}`);
      }
      await delay(POLL_MS);
    }
    throw new Error(`${name} was not ready within ${timeoutMs / 1000} s:\n${this.tail(name)}`);
  }

  /** Ends one child and waits for it. */
  async kill(name: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.#children.get(name);
    this.#children.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await Promise.race([gone, delay(GRACE_MS, undefined, { ref: false })]);
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await gone;
    }
  }

  /** Applications first, then agents with their proxies, then the server: the other way round they would complain. */
  async stopAll(): Promise<void> {
    this.#stopping = true;
    const names = [...this.#children.keys()];
    const rank = (name: string): number => (name === "server" ? 2 : name.startsWith("agent-") ? 1 : 0);
    for (const wave of [0, 1, 2]) {
      await Promise.all(names.filter((name) => rank(name) === wave).map((name) => this.kill(name, "SIGTERM")));
    }
    for (const log of this.#logs) log.end();
  }

  #spawn(name: string, command: string, args: readonly string[]): ChildProcess {
    if (this.#stopping) throw new Error(`${name} is not started any more: the demo stops`);
    const child = spawn(command, [...args], { stdio: ["ignore", "pipe", "pipe"], cwd: this.#folder });
    const log = createWriteStream(this.logFile(name), { mode: 0o600 });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    this.#logs.push(log);
    this.#children.set(name, child);
    return child;
  }
}

/** Runs `mesh ARGS…` as a user would, to its end. */
export async function mesh(args: readonly string[], env: Readonly<Record<string, string>>): Promise<CommandResult> {
  const child = spawn(MESH, [...args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code: code ?? 1, stdout, stderr };
}

/** The same, where a failure ends the demo. */
export async function meshOk(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const { code, stdout, stderr } = await mesh(args, env);
  if (code !== 0) throw new Error(`mesh ${args.join(" ")} failed with exit code ${code}:\n${stderr}${stdout}`);
  return stdout;
}
