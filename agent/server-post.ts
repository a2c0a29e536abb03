/** One POST to a server's HTTPS port, for a host that has no valid certificate: the server alone proves itself. */
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect, type TLSSocket } from "node:tls";
import { MeshError } from "../core/base/errors.ts";
import { serverSni } from "../core/model/spiffe.ts";
import { clientTlsOptions, createAnonymousContext } from "../io/tls/context.ts";

const RESPONSE_BYTES_MAX = 1024 * 1024;

export interface ServerPost {
  /** `host:port`, an IPv6 address in brackets. */
  readonly server: string;
  readonly rootsPem: readonly string[];
  readonly trustDomain: string;
  readonly path: string;
  readonly body: object;
  readonly signal: AbortSignal;
}

export interface ServerAnswer {
  readonly status: number;
  /** The JSON that came back; undefined for anything else. */
  readonly value: unknown;
}

/**
 * Nothing is written before the handshake is over and the server's identity was found right. Rejects with UNREACHABLE
 * when there was no answer.
 */
export async function postToServer(options: ServerPost): Promise<ServerAnswer> {
  const body = JSON.stringify(options.body);
  let socket: TLSSocket | undefined;
  try {
    socket = await connectToServer(options);
    const request = httpRequest({
      method: "POST", path: options.path, signal: options.signal, createConnection: () => socket!,
      headers: {
        host: options.server, accept: "application/json", connection: "close", "content-type": "application/json",
        "content-length": `${Buffer.byteLength(body)}`,
      },
    });
    request.end(body);
    const [response] = await once(request, "response") as [IncomingMessage];
    return { status: response.statusCode ?? 0, value: parse(await readAll(response)) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MeshError("UNREACHABLE", `${options.server} did not answer ${options.path}: ${reason}`, { cause: error });
  } finally {
    socket?.destroy();
  }
}

export function splitAddress(server: string): { host: string; port: number } {
  const match = /^(?:\[(.+)\]|(.+)):(\d+)$/.exec(server);
  return { host: match?.[1] ?? match?.[2] ?? server, port: Number(match?.[3]) };
}

/** What a server said against it, as far as it said anything. */
export function refusalOf({ status, value }: ServerAnswer): { readonly message: string; readonly fix?: string } {
  const error = (value as { error?: { message?: string; fix?: string } } | undefined)?.error;
  return { message: error?.message ?? `HTTP ${status}`, ...(error?.fix === undefined ? {} : { fix: error.fix }) };
}

// By hand: a schema library would cost every host 8 MB for two answers.

/** Whether an answer has a text under each of these names. */
export const hasTexts = (value: unknown, names: readonly string[]): boolean =>
  names.every((name) => typeof fieldOf(value, name) === "string");

/** Whether an answer has a list of at least one text under each of these names. */
export const hasLists = (value: unknown, names: readonly string[]): boolean => names.every((name) => {
  const list = fieldOf(value, name);
  return Array.isArray(list) && list.length > 0 && list.every((item) => typeof item === "string");
});

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;

async function connectToServer({ server, rootsPem, trustDomain, signal }: ServerPost): Promise<TLSSocket> {
  const socket = connect({
    ...splitAddress(server),
    ...clientTlsOptions({
      context: createAnonymousContext(rootsPem), servername: serverSni(trustDomain), trustDomain, rootsPem,
      accept: (id) => id.kind === "server",
    }),
  });
  try {
    await once(socket, "secureConnect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response) {
    size += (part as Buffer).length;
    if (size > RESPONSE_BYTES_MAX) throw new Error("the answer is too large");
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
