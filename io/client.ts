/**
 * Client of the HTTP API over TCP, TLS or the agent's unix socket. Every failure is a MeshError: what the API answered
 * keeps its code, a connection that fails says what was tried and what to do about it.
 */
import { Agent, request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import { CODES } from "../core/base/codes.ts";
import { MeshError, type ErrorCode } from "../core/base/errors.ts";
import { type ApiAddress, formatApiAddress } from "./client-address.ts";
import type { ApiTls } from "./client-tls.ts";

export interface ClientOptions {
  readonly address: ApiAddress;
  readonly token?: string | undefined;
  /** Roots to trust on https; the system's when left out. */
  readonly caPem?: string | undefined;
  /** For one request, connection included; 10 s when left out. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CallOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** A string goes out as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface CallResult {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface ApiClient {
  /** How the API is addressed, for messages. */
  readonly address: string;
  /** Throws MeshError for every answer that is not 2xx. */
  call(method: string, path: string, options?: CallOptions): Promise<CallResult>;
  /** The JSON of an answer; undefined for an empty one. */
  json(method: string, path: string, options?: CallOptions): Promise<unknown>;
  /** Lets idle connections go. */
  close(): void;
}

const TIMEOUT_MS = 10_000;
/** A catalog of 100,000 instances is below it; a reply that never ends is not. */
const REPLY_BYTES_MAX = 256 * 1024 * 1024;

export function createApiClient(options: ClientOptions): ApiClient {
  const address = formatApiAddress(options.address);
  const tls = options.address.kind === "tcp" && options.address.tls;
  const pool = { keepAlive: true, maxSockets: 32 };
  const agent = tls ? new TlsAgent(pool) : new Agent(pool);
  const call: ApiClient["call"] = async (method, path, callOptions = {}) => {
    const result = await send({ options, agent, method, path, call: callOptions });
    if (result.status < 200 || result.status > 299) throw answerError(result, `${method} ${path} at ${address}`);
    return result;
  };
  return {
    address,
    call,
    async json(method, path, callOptions) {
      const { text } = await call(method, path, callOptions);
      if (text.trim() === "") return undefined;
      try {
        return JSON.parse(text) as unknown;
      } catch (cause) {
        throw new MeshError("INTERNAL", `the answer to ${method} ${path} is not JSON`, {
          where: address, fix: "is something else listening at this address? check MESH_HTTP_ADDR", cause,
        });
      }
    },
    close: () => agent.destroy(),
  };
}

interface Sending {
  readonly options: ClientOptions;
  readonly agent: Agent;
  readonly method: string;
  readonly path: string;
  readonly call: CallOptions;
}

function requestOptions(sending: Sending, body: string | undefined, tls: ApiTls | undefined): RequestOptions {
  const { options, call } = sending;
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined) query.set(key, String(value));
  }
  const path = query.size === 0 ? sending.path : `${sending.path}?${query}`;
  const headers: Record<string, string> = { accept: "application/json", "user-agent": "mesh-cli" };
  if (options.token !== undefined && options.token !== "") headers["x-consul-token"] = options.token;
  if (body !== undefined) {
    headers["content-type"] = call.contentType ?? (typeof call.body === "string" ? "text/plain" : "application/json");
    headers["content-length"] = String(Buffer.byteLength(body));
  }
  const common = { agent: sending.agent, method: sending.method, path, headers };
  const to = options.address;
  if (to.kind === "unix") return { ...common, socketPath: to.path, headers: { ...headers, host: "localhost" } };
  return { ...common, host: to.host, port: to.port, ...tls };
}

async function send(sending: Sending): Promise<CallResult> {
  const { options, call } = sending;
  const timeoutMs = call.timeoutMs ?? options.timeoutMs ?? TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  const stops = [options.signal, call.signal].filter((s) => s !== undefined);
  const body = call.body === undefined || typeof call.body === "string" ? call.body : JSON.stringify(call.body);
  const overTls = options.address.kind === "tcp" && options.address.tls;
  const start = overTls ? httpsRequest : httpRequest;
  // Reading certificates is loaded where it is wanted: most commands speak to a socket or to loopback.
  const withRoots = overTls && options.caPem !== undefined;
  const tls = withRoots ? (await import("./client-tls.ts")).apiTls(options.caPem) : undefined;
  try {
    return await new Promise<CallResult>((resolve, reject) => {
      const signal = AbortSignal.any([timeout, ...stops]);
      const req = start({ ...requestOptions(sending, body, tls), signal }, (res) => {
        const parts: Buffer[] = [];
        let size = 0;
        res.on("data", (part: Buffer) => {
          parts.push(part);
          size += part.length;
          if (size > REPLY_BYTES_MAX) res.destroy(new Error(`the answer exceeds ${REPLY_BYTES_MAX} bytes`));
        });
        res.on("error", reject);
        res.on("end", () => resolve({
          status: res.statusCode ?? 0, headers: res.headers, text: Buffer.concat(parts).toString("utf8"),
        }));
      });
      req.on("error", reject);
      req.end(body);
    });
  } catch (error) {
    const stopped = stops.find((s) => s.aborted);
    if (stopped !== undefined) throw stopped.reason;
    if (timeout.aborted) throw timeoutError(sending, timeoutMs, error);
    throw connectError(options.address, error);
  }
}

function timeoutError(sending: Sending, timeoutMs: number, cause: unknown): MeshError {
  const address = formatApiAddress(sending.options.address);
  return new MeshError("TIMEOUT", `no answer to ${sending.method} ${sending.path} within ${timeoutMs / 1000} s`, {
    where: address, cause,
    ...(sending.method === "GET" ? { fix: "is the agent busy, or are the servers without a leader? mesh status" } : {}),
  });
}

const ROOTS = "set MESH_CACERT to a file with the mesh's roots: mesh ca roots --format json | jq -r '.[].pem'";

/** What the operating system said, in words, and what to do about it. */
function connectError(address: ApiAddress, cause: unknown): MeshError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const where = formatApiAddress(address);
  const start = "start it (mesh dev, or mesh agent), or set MESH_HTTP_ADDR to where it listens";
  if (code === "EACCES" && address.kind === "unix") {
    return new MeshError("UNREACHABLE", `no permission to open the agent's socket ${address.path}`, {
      where, cause, fix: "sudo usermod -aG mesh $USER and log in again, or set MESH_HTTP_ADDR and MESH_TOKEN",
    });
  }
  const reasons: Record<string, [reason: string, fix: string]> = {
    ECONNREFUSED: [`nothing listens at ${where}`, start],
    ENOENT: [`there is no socket at ${where}`, start],
    ENOTFOUND: [`the host name of ${where} is not known`, "correct the name in MESH_HTTP_ADDR"],
    EHOSTUNREACH: [`no route to ${where}`, "check the address in MESH_HTTP_ADDR and the network"],
    ETIMEDOUT: [`${where} does not answer`, "check the address in MESH_HTTP_ADDR and the network"],
    ECONNRESET: [`${where} closed the connection`, "is it an https port? write https:// in MESH_HTTP_ADDR"],
    EPROTO: [`${where} does not speak TLS`, "write http:// in MESH_HTTP_ADDR"],
    SELF_SIGNED_CERT_IN_CHAIN: [`the certificate of ${where} has an unknown root`, ROOTS],
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: [`the certificate of ${where} has an unknown root`, ROOTS],
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [`the certificate of ${where} has an unknown root`, ROOTS],
    DEPTH_ZERO_SELF_SIGNED_CERT: [`the certificate of ${where} has an unknown root`, ROOTS],
    ERR_TLS_CERT_ALTNAME_INVALID: [`the certificate of ${where} is for another name`, ROOTS],
  };
  const [reason, fix] = reasons[code ?? ""] ?? [`${where} cannot be reached: ${message}`, start];
  return new MeshError("UNREACHABLE", reason, { where, fix, cause });
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "INVALID", 401: "NO_TOKEN", 403: "DENIED", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 409: "CONFLICT",
  413: "TOO_LARGE", 429: "LIMITED", 501: "NOT_BUILT", 503: "UNREACHABLE", 504: "TIMEOUT",
};

/** The error that an answer carries: our JSON body, or Consul's plain text with an optional `fix:` line. */
function answerError(result: CallResult, where: string): MeshError {
  const fallback = BY_STATUS[result.status] ?? "INTERNAL";
  const body = parseErrorBody(result.text);
  if (body !== undefined) {
    const known = Object.hasOwn(CODES, body.code);
    return new MeshError(known ? (body.code as ErrorCode) : fallback, body.message, {
      where: body.where ?? where, ...(body.fix === undefined ? {} : { fix: body.fix }),
    });
  }
  const [, text = "", fix] = /^([\s\S]*?)(?:\n\s*fix: ([\s\S]*))?$/.exec(result.text.trim()) ?? [];
  return new MeshError(fallback, text === "" ? `answered with status ${result.status}` : text, {
    where, ...(fix === undefined ? {} : { fix }),
  });
}

interface AnsweredError {
  readonly code: string;
  readonly message: string;
  readonly fix?: string;
  readonly where?: string;
}

function parseErrorBody(text: string): AnsweredError | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const { error } = JSON.parse(text) as { error?: AnsweredError };
    return typeof error?.code === "string" && typeof error.message === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}
