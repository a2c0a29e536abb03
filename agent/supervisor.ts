/**
 * The proxy's life. It starts with the agent, is started again at once when it ends for the first time, and with
 * doubling pauses while it keeps failing. It stays in the agent's process group, so that a terminal's Ctrl-C reaches
 * both: an end by such a signal waits a moment for the agent's own, or the proxy would come back during shutdown.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { performance } from "node:perf_hooks";
import { PROXY_ENVIRONMENT } from "../core/model/proxy-flags.ts";
import type { Logger } from "../io/logger.ts";

const STABLE_MS = 10_000;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 10_000;
const SIGNAL_PAUSE_MS = 300;
/** After the grace a proxy that did not end is told so by signals. */
const TERM_MS = 1_000;

export interface SupervisorOptions {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** For compiled code, where the agent itself has no such folder. */
  readonly cacheDir: string;
  readonly log: Logger;
  /** Asks a running proxy to end. */
  readonly shutdown: (graceMs: number) => void;
}

export class ProxySupervisor {
  readonly #options: SupervisorOptions;
  #child: ChildProcess | undefined;
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;
  #startedMs = 0;
  #failures = 0;
  #restarts = -1;
  #lastExit = "";

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** How often it was started again, and how it last ended. */
  status(): { readonly restarts: number; readonly lastExit: string } {
    return { restarts: Math.max(0, this.#restarts), lastExit: this.#lastExit };
  }

  start(): void {
    if (this.#stopping) return;
    const [program = "", ...args] = this.#options.command;
    this.#startedMs = performance.now();
    this.#restarts++;
    const env = environment(this.#options.cacheDir);
    const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"], env });
    this.#child = child;
    let ended = false;
    const end = (reason: string, signal: NodeJS.Signals | null): void => {
      if (ended) return;
      ended = true;
      if (this.#child === child) this.#child = undefined;
      this.#ended(reason, signal);
    };
    child.on("error", (error) => end(error.message, null));
    child.on("exit", (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`, signal));
  }

  /** No restart from now on. */
  disarm(): void {
    this.#stopping = true;
    clearTimeout(this.#timer);
  }

  /** Lets the proxy finish for `graceMs`, then ends it; resolves once it is gone. */
  async stop(graceMs: number): Promise<void> {
    this.disarm();
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => { child.once("exit", () => resolve()); });
    this.#options.shutdown(graceMs);
    const term = setTimeout(() => child.kill("SIGTERM"), graceMs + TERM_MS);
    const kill = setTimeout(() => child.kill("SIGKILL"), graceMs + 2 * TERM_MS);
    await gone;
    clearTimeout(term);
    clearTimeout(kill);
  }

  #ended(reason: string, signal: NodeJS.Signals | null): void {
    if (this.#stopping) return;
    this.#lastExit = reason;
    const livedMs = performance.now() - this.#startedMs;
    this.#failures = livedMs >= STABLE_MS ? 1 : this.#failures + 1;
    const backoffMs = this.#failures === 1 ? 0 : Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (this.#failures - 2));
    const asked = signal === "SIGINT" || signal === "SIGTERM" || /^exit code (130|143)$/.test(reason);
    const delayMs = Math.max(backoffMs, asked ? SIGNAL_PAUSE_MS : 0);
    this.#options.log.warn({ reason, delayMs }, "the proxy ended, it is started again");
    this.#timer = setTimeout(() => this.start(), delayMs);
  }
}

/**
 * The proxy holds no token and needs nothing of the agent's environment but a warm compile cache: with one it is back
 * in half the time. The agent's own is shared where it has one.
 */
function environment(cacheDir: string): Record<string, string> {
  const shared = getCompileCacheDir();
  const cache = shared === undefined ? cacheDir : dirname(shared);
  return { PATH: "/usr/local/bin:/usr/bin:/bin", ...PROXY_ENVIRONMENT, NODE_COMPILE_CACHE: cache };
}
