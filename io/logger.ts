import { pino } from "pino";

/** What the programs log through; pino behind it. Secrets never go in: not in messages, not in fields. */
export interface Logger {
  debug: LogFunction;
  info: LogFunction;
  warn: LogFunction;
  error: LogFunction;
  /** A logger that adds these fields to every line. */
  child(fields: Readonly<Record<string, unknown>>): Logger;
}

export interface LogFunction {
  (message: string): void;
  (fields: object, message?: string): void;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface LoggerOptions {
  readonly name: string;
  readonly level?: LogLevel;
  /** Lines for people on stderr instead of JSON on stdout: for a terminal and for `mesh dev`. */
  readonly pretty?: boolean;
  /** Where lines go instead; for tests. */
  readonly write?: (line: string) => void;
}

/** A second line of defence: fields of these names are never printed, whatever object they come in. */
const SECRET_FIELDS = ["token", "secret", "ticket", "key", "keyPem", "privateKeyPem", "gossipKey", "password"];
const REDACTED = [...SECRET_FIELDS, ...SECRET_FIELDS.map((field) => `*.${field}`)];

/** Makes a program's logger. Lines are written synchronously, so that the last one before an exit is not lost. */
export function createLogger(options: LoggerOptions): Logger {
  const fd = options.pretty ? 2 : 1;
  const write = options.write ?? syncWriter(fd);
  return pino(
    {
      name: options.name,
      level: options.level ?? "info",
      base: options.pretty ? { name: options.name } : { pid: process.pid, name: options.name },
      redact: { paths: REDACTED, censor: "[redacted]" },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    { write: options.pretty ? (line: string) => write(prettyLine(line)) : write },
  );
}

function syncWriter(fd: number): (line: string) => void {
  const destination = pino.destination({ fd, sync: true });
  // A closed terminal or pipe must not take the program down with it.
  destination.on("error", () => undefined);
  return (line) => void destination.write(line);
}

/** `05:06:07 warn  agent: message field=value`; values that are objects as JSON. */
function prettyLine(line: string): string {
  const { level, time, name, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const shown = Object.entries(fields)
    .filter(([key]) => key !== "pid")
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? value : errorOrJson(value)}`)
    .join("");
  const clock = String(time).slice(11, 19);
  return `${clock} ${String(level).padEnd(5)} ${String(name)}: ${typeof msg === "string" ? msg : ""}${shown}\n`;
}

function errorOrJson(value: unknown): string {
  if (typeof value === "object" && value !== null && "stack" in value && typeof value.stack === "string") {
    return value.stack;
  }
  return JSON.stringify(value);
}
