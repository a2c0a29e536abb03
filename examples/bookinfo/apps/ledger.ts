/**
 * The TCP service of the demo: a counter in lines of text. `HIT name` counts and answers the new number, `GET name`
 * answers it, `QUIT` ends the connection after the answers before it, anything else answers `ERR`.
 */
import { createServer, connect, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";

const NAME = /^[\w-]{1,64}$/;
const NAMES_MAX = 10_000;
const REPLY_TIMEOUT_MS = 2_000;

export function ledger(): Server {
  const counts = new Map<string, number>();
  return createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    const lines = createInterface({ input: socket });
    lines.on("error", () => undefined);
    lines.on("line", (line) => {
      const [verb, name = ""] = line.trim().split(" ");
      if (verb === "QUIT") socket.end("BYE\n");
      else socket.write(`${reply(counts, verb ?? "", name)}\n`);
    });
    lines.on("close", () => socket.end());
  });
}

function reply(counts: Map<string, number>, verb: string, name: string): string {
  const full = !counts.has(name) && counts.size >= NAMES_MAX;
  if (!NAME.test(name) || (verb !== "HIT" && verb !== "GET") || full) return "ERR";
  if (verb === "HIT") counts.set(name, (counts.get(name) ?? 0) + 1);
  return String(counts.get(name) ?? 0);
}

interface Waiting {
  readonly resolve: (line: string) => void;
  readonly reject: (error: Error) => void;
}

/** One connection, kept and made again when it broke; answers come in the order of the questions. */
export class LedgerClient {
  readonly #port: number;
  #socket: Socket | undefined;
  #waiting: Waiting[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  async hit(name: string): Promise<number> {
    const line = await this.#ask(`HIT ${name}`);
    if (!/^\d+$/.test(line)) throw new Error(`the ledger answered ${line}`);
    return Number(line);
  }

  close(): void {
    this.#socket?.destroy();
  }

  #ask(question: string): Promise<string> {
    const socket = this.#socket ?? this.#open();
    return new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(socket, new Error("the ledger does not answer")), REPLY_TIMEOUT_MS);
      const settle = <T>(end: (value: T) => void) => (value: T): void => {
        clearTimeout(timer);
        end(value);
      };
      this.#waiting.push({ resolve: settle(resolve), reject: settle(reject) });
      socket.write(`${question}\n`);
    });
  }

  #open(): Socket {
    const socket = connect({ host: "127.0.0.1", port: this.#port });
    this.#socket = socket;
    const lines = createInterface({ input: socket });
    // readline repeats the socket's error; both are the same end.
    lines.on("error", () => undefined);
    lines.on("line", (line) => this.#waiting.shift()?.resolve(line));
    socket.on("error", (error) => this.#fail(socket, error));
    socket.on("close", () => this.#fail(socket, new Error("the ledger closed the connection")));
    return socket;
  }

  #fail(socket: Socket, error: Error): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    socket.destroy();
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}
