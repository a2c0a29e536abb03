/** What a command runs with: where it prints, how it reaches the API, and what the environment says. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { text as readAll } from "node:stream/consumers";
import { MeshError } from "../core/base/errors.ts";
import { DEFAULT_NAMESPACE } from "../core/model/names.ts";
import { type ApiAddress, parseApiAddress } from "../io/client-address.ts";
import { type ApiClient, createApiClient } from "../io/client.ts";
import type { Args } from "./args.ts";
import { type Format, FORMATS } from "./spec.ts";
import { type ColorWhen, type Env, type Style, createStyle, wantsColor, wantsUnicode } from "./terminal.ts";

/** The process around a command; tests pass their own. */
export interface Io {
  readonly env: Env;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted with `Interrupted` by Ctrl-C. */
  readonly signal: AbortSignal;
}

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface Context {
  readonly io: Io;
  readonly env: Env;
  readonly format: Format;
  /** For stdout; `errStyle` for stderr. */
  readonly style: Style;
  readonly errStyle: Style;
  readonly namespace: string;
  readonly signal: AbortSignal;
  /** Made at first use, closed when the command ends. */
  client(): ApiClient;
  /** The address and token that a child process or a printed `export` line would need. */
  readonly address: () => ApiAddress;
  readonly token: () => string | undefined;
  close(): void;
  /** Data: to stdout, as `--format` says. */
  show(data: unknown, table: () => string): Promise<void>;
  /** Talk: a line to stderr. */
  readonly say: (text: string) => void;
}

/** The agent's socket where packages put it; without one the API's default port is tried. */
const DEFAULT_SOCKET = "/run/mesh/agent.sock";
const TOKEN_BYTES_MAX = 4_096;

export function chooseFormat(args: Args | undefined): Format {
  const given = args?.text("format");
  return FORMATS.find((f) => f === given) ?? "table";
}

export function createContext(io: Io, args: Args): Context {
  const { env } = io;
  const color = (args.text("color") ?? "auto") as ColorWhen;
  const style = (out: Output): Style =>
    createStyle(wantsColor(color, env, out.isTTY === true), out.isTTY === true ? wantsUnicode(env) : true);
  const format = chooseFormat(args);
  let client: ApiClient | undefined;
  const address = (): ApiAddress => {
    const flag = args.text("http-addr");
    return flag === undefined ? addressFromEnv(env) : parseApiAddress(flag, "--http-addr");
  };
  const token = (): string | undefined => tokenFrom(env, args.text("token-file"));
  return {
    io, env, format, address, token,
    style: style(io.stdout),
    errStyle: style(io.stderr),
    namespace: args.text("namespace") ?? nonEmpty(env["MESH_NAMESPACE"]) ?? DEFAULT_NAMESPACE,
    signal: io.signal,
    client() {
      client ??= createApiClient({
        address: address(), token: token(), signal: io.signal, timeoutMs: args.durationMs("timeout"),
        caPem: caFrom(env),
      });
      return client;
    },
    close: () => client?.close(),
    say: (text) => void io.stderr.write(`${text}\n`),
    async show(data, table) {
      if (format === "table") io.stdout.write(table());
      else if (format === "json") io.stdout.write(`${JSON.stringify(data, null, 2)}\n`);
      else {
        const { stringify } = await import("yaml");
        io.stdout.write(stringify(data, { aliasDuplicateObjects: false }));
      }
    },
  };
}

const nonEmpty = (text: string | undefined): string | undefined => (text === "" ? undefined : text);

function addressFromEnv(env: Env): ApiAddress {
  const given = nonEmpty(env["MESH_HTTP_ADDR"]);
  if (given !== undefined) return parseApiAddress(given);
  if (existsSync(DEFAULT_SOCKET)) return { kind: "unix", path: DEFAULT_SOCKET };
  return { kind: "tcp", host: "127.0.0.1", port: 8500, tls: false };
}

function caFrom(env: Env): string | undefined {
  const file = nonEmpty(env["MESH_CACERT"]);
  return file === undefined ? undefined : readFileSync(file, "utf8");
}

/** `--token-file`, MESH_TOKEN, MESH_TOKEN_FILE in this order. */
export function tokenFrom(env: Env, flagFile: string | undefined): string | undefined {
  const direct = nonEmpty(env["MESH_TOKEN"]);
  if (flagFile === undefined && direct !== undefined) return checkToken(direct.trim(), "MESH_TOKEN");
  const file = flagFile ?? nonEmpty(env["MESH_TOKEN_FILE"]);
  if (file === undefined) return undefined;
  const where = flagFile === undefined ? "MESH_TOKEN_FILE" : "--token-file";
  let token: string;
  try {
    if (statSync(file).size > TOKEN_BYTES_MAX) throw new MeshError("INVALID", `${file} is too large for a token`);
    token = readFileSync(file, "utf8").trim();
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    const { message } = cause as Error;
    throw new MeshError("INVALID", `the token file cannot be read: ${message}`, {
      where, cause, fix: "correct the path",
    });
  }
  if (token === "") throw new MeshError("INVALID", `${file} holds no token`, { where, fix: "write the token into it" });
  return checkToken(token, where);
}

/** It goes into a header line; what could not is refused here, without showing it. */
function checkToken(token: string, where: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new MeshError("INVALID", "the token holds blanks or other characters that no token has", {
    where, fix: "copy the token again, alone on one line",
  });
}

/** A file's text, or standard input for `-`. */
export async function readInput(context: Context, file: string): Promise<string> {
  if (file === "-") return readAll(context.io.stdin);
  return readFileSync(file, "utf8");
}
