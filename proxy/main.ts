/**
 * The proxy's process: `main.ts --socket PATH`. It connects to its agent, runs what the agent's snapshots say, and
 * ends when the agent does.
 */
import { realpathSync, writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { MeshError } from "../core/base/errors.ts";
import type { AgentToProxy } from "../core/model/control.ts";
import { onReadSelfTest } from "../io/sockets/adopt.ts";
import { ControlClient } from "./control.ts";
import { Runtime } from "./runtime.ts";
import { checkSnapshot } from "./snapshot-check.ts";

export interface ProxyOptions {
  /** Path of the agent's control socket. */
  readonly socket: string;
  /** Called once, when the process should end. */
  readonly onExit: (code: number, reason: string) => void;
  /** Takes a line for the log. */
  readonly say: (line: string) => void;
}

/** Connects and serves until the control socket closes or the agent says so. */
export async function startProxy(options: ProxyOptions): Promise<Runtime> {
  await onReadSelfTest();
  // A proxy that is killed writes no cache at its end; the next one would compile everything again (15 MB and 0.2 s).
  flushCompileCache();
  const runtime = new Runtime({ say: options.say });
  let exiting = false;
  const exit = (code: number, reason: string): void => {
    if (exiting) return;
    exiting = true;
    options.onExit(code, reason);
  };
  const control = new ControlClient(options.socket, {
    onMessage: (message) => receive(message),
    onClosed: (reason) => exit(0, reason),
  });
  const receive = (message: AgentToProxy): void => {
    switch (message.type) {
      case "snapshot": return void apply(runtime, control, message.snapshot);
      case "stats": return control.send({ type: "stats", seq: message.seq, stats: runtime.readStats() });
      case "dump": return control.send({ type: "dump", seq: message.seq, dump: runtime.dump() });
      case "shutdown":
        return void runtime.shutdown(message.graceMs).then(() => exit(0, "the agent asked for it"));
      default: // a newer agent's message
    }
  };
  return runtime;
}

/** Answers with an acknowledgement, or with why the snapshot cannot be put in force. */
async function apply(runtime: Runtime, control: ControlClient, untrusted: unknown): Promise<void> {
  const given = (untrusted as { version?: unknown } | null)?.version;
  const version = typeof given === "number" ? given : 0;
  try {
    const listeners = await runtime.apply(checkSnapshot(untrusted));
    control.send({ type: "ack", version, listeners });
  } catch (error) {
    control.send({ type: "nack", version, error: error instanceof Error ? error.message : String(error) });
  }
}

const say = (line: string): void => {
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // Nobody reads it any more.
  }
};

/** Runs the process until the agent ends it; `mesh proxy` and the agent's child start here. */
export async function runProxy(options: { readonly socket: string }): Promise<void> {
  // The agent decides when its children end: a terminal's Ctrl-C reaches them all at once.
  process.on("SIGINT", () => undefined);
  const runtime = await startProxy({
    socket: options.socket,
    say: (line) => say(`proxy: ${line}`),
    onExit: (code, reason) => {
      say(`proxy: ends: ${reason}`);
      process.exit(code);
    },
  });
  await new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));
  await runtime.shutdown(0);
  process.exit(0);
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { socket: { type: "string" } }, strict: true });
  if (values.socket === undefined) throw new MeshError("USAGE", "mesh proxy needs --socket PATH");
  await runProxy({ socket: values.socket });
}

const isProgram = (): boolean => {
  const [, script] = process.argv;
  try {
    return script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url);
  } catch {
    return false;
  }
};

if (isProgram()) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    say(`proxy: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = error instanceof MeshError ? error.exit : 1;
  });
}
