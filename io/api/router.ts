import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { SecureContextOptions } from "node:tls";
import { MeshError } from "../../core/base/errors.ts";
import { socketPeer } from "../ffi.ts";
import type { Logger } from "../logger.ts";
import { parseJson, readBody } from "./body.ts";
import { type BoundAddress, type ListenAddress, listenOn } from "./listen.ts";
import { splitPath } from "./match.ts";
import { checkHostAndOrigin } from "./origin.ts";
import { errorResponse, sendResponse } from "./render.ts";
import { RouteTable } from "./table.ts";
import type { ApiHandler, ApiRequest, ApiResponse, PeerCredentials, Route } from "./types.ts";

export type { BoundAddress, ListenAddress } from "./listen.ts";
export { jsonResponse } from "./render.ts";
export type { ApiHandler, ApiRequest, ApiResponse, PeerCredentials, Route } from "./types.ts";

/*
 * The HTTP API's server, the same for servers and agents. A request passes, in this order: Host and Origin (on TCP),
 * path and query, token, route, handler. Everything that goes wrong becomes a MeshError and is rendered in one place.
 */

export interface ApiServerOptions {
  readonly routes: readonly Route[];
  /** Takes what no route matches; an agent forwards it to a server. */
  readonly fallback?: ApiHandler;
  readonly log: Logger;
  /** Names or addresses, besides loopback and the bound address, that Host may carry. */
  readonly allowedHosts?: readonly string[];
  readonly tls?: SecureContextOptions;
}

export interface ApiServer {
  /** Resolves with where it listens. Rejects with ADDRESS_IN_USE. */
  listen(address: ListenAddress): Promise<BoundAddress>;
  /** New connections use this certificate; those that are open keep theirs. */
  setTls(tls: SecureContextOptions): void;
  /** Ends waiting queries, lets answers in progress go out for `graceMs` (1000), then cuts. */
  close(graceMs?: number): Promise<void>;
}

/** A slow or idle client holds a socket and a little memory; these bound how many and how long. */
const LIMITS = { connections: 8_192, headersTimeoutMs: 15_000, requestTimeoutMs: 60_000, keepAliveTimeoutMs: 65_000 };

export function createApiServer(options: ApiServerOptions): ApiServer {
  const closing = new AbortController();
  const table = new RouteTable(options.routes);
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    void serve({ options, table, closing: closing.signal, req, res });
  };
  const limits = { headersTimeout: LIMITS.headersTimeoutMs, requestTimeout: LIMITS.requestTimeoutMs };
  const https = options.tls === undefined
    ? undefined
    : createHttpsServer({ ...options.tls, minVersion: "TLSv1.3", ...limits }, onRequest);
  const server: Server = https ?? createHttpServer(limits, onRequest);
  server.keepAliveTimeout = LIMITS.keepAliveTimeoutMs;
  server.maxConnections = LIMITS.connections;
  server.on("clientError", (_error, socket) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  return {
    listen: (address) => listenOn(server, address),
    setTls: (tls) => https?.setSecureContext({ ...tls, minVersion: "TLSv1.3" }),
    close: (graceMs = 1000) => close(server, closing, graceMs),
  };
}

interface Exchange {
  readonly options: ApiServerOptions;
  readonly table: RouteTable;
  readonly closing: AbortSignal;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

async function serve(exchange: Exchange): Promise<void> {
  const { req, res, options } = exchange;
  const target = req.url ?? "/";
  const path = target.split("?", 1)[0]!;
  const query = new URLSearchParams(target.slice(path.length + 1));
  let answer: ApiResponse;
  try {
    answer = await route(exchange, path, query);
  } catch (error) {
    if (!(error instanceof MeshError) || error.code === "INTERNAL") {
      options.log.error({ err: error, method: req.method, path }, "request failed");
    }
    answer = errorResponse(error, path, req.headers.accept);
  }
  // What is left of a body that nobody read would be taken for the next request.
  if (!req.complete) res.setHeader("connection", "close");
  if (exchange.closing.aborted) res.setHeader("connection", "close");
  try {
    sendResponse(res, answer, { pretty: query.has("pretty"), headOnly: req.method === "HEAD" });
  } catch (error) {
    options.log.error({ err: error, method: req.method, path }, "answer could not be sent");
    res.destroy();
  }
}

function route(exchange: Exchange, path: string, query: URLSearchParams): Promise<ApiResponse> | ApiResponse {
  const { req, options, table } = exchange;
  // A unix socket has no name to rebind, and no browser reaches it.
  if (req.socket.remoteAddress !== undefined) checkHostAndOrigin(req, options.allowedHosts ?? []);
  const parts = path.startsWith("/") ? splitPath(path) : undefined;
  if (parts === undefined) throw new MeshError("INVALID", "the path is not valid");
  if (query.has("token")) {
    throw new MeshError("INVALID", "a token in the query would end up in logs and histories, it is not accepted", {
      fix: "send it in the X-Consul-Token header, and revoke it if it was real",
    });
  }
  const method = req.method ?? "GET";
  const found = table.find(method, parts);
  if (found === undefined && options.fallback === undefined) throw table.notFound(path, parts);
  const handler = found?.handler ?? options.fallback!;
  return handler(makeRequest(exchange, { method, path, query, params: found?.params ?? {} }));
}

type RequestLine = Pick<ApiRequest, "method" | "path" | "query" | "params">;

function makeRequest(exchange: Exchange, line: RequestLine): ApiRequest {
  const { req, res } = exchange;
  const gone = new AbortController();
  res.on("close", () => gone.abort());
  let bytes: Promise<Buffer> | undefined;
  const body = (): Promise<Buffer> => (bytes ??= readBody(req));
  return {
    ...line,
    headers: req.headers,
    token: tokenOf(req),
    peer: peerOf(req),
    remoteAddress: req.socket.remoteAddress ?? "",
    body,
    json: async () => parseJson(await body()),
    signal: AbortSignal.any([gone.signal, exchange.closing]),
  };
}

function tokenOf(req: IncomingMessage): string {
  const own = req.headers["x-consul-token"];
  if (typeof own === "string" && own !== "") return own;
  const match = /^bearer +(\S+)$/i.exec(req.headers.authorization ?? "");
  return match?.[1] ?? "";
}

function peerOf(req: IncomingMessage): PeerCredentials | undefined {
  return req.socket.remoteAddress === undefined ? socketPeer(req.socket) : undefined;
}

async function close(server: Server, closing: AbortController, graceMs: number): Promise<void> {
  if (closing.signal.aborted) return;
  closing.abort();
  const ended = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await ended;
  clearTimeout(cut);
}
