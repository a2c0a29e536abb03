import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { SecureContextOptions } from "node:tls";
import { socketPeer } from "../ffi.ts";
import type { Logger } from "../logger.ts";
import { parseJson, readBody } from "./body.ts";
import { dispatch, isTcp } from "./dispatch.ts";
import { type BoundAddress, type ListenAddress, listenOn } from "./listen.ts";
import { checkHostAndOrigin } from "./origin.ts";
import { sendAnswer } from "./render.ts";
import { RouteTable } from "./table.ts";
import type { ApiHandler, PeerCredentials, Route } from "./types.ts";

export type { BoundAddress, ListenAddress } from "./listen.ts";
export { jsonResponse } from "./render.ts";
export type { ApiHandler, ApiRequest, ApiResponse, PeerCredentials, Route } from "./types.ts";

/*
 * The HTTP API's server, the same for servers and agents. A request passes, in this order: Host and Origin (on TCP),
 * path and query, route, handler. Everything that goes wrong becomes a MeshError and is rendered in one place.
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

async function serve({ options, table, closing, req, res }: Exchange): Promise<void> {
  const tcp = isTcp(req.socket);
  const gone = new AbortController();
  res.on("close", () => gone.abort());
  let bytes: Promise<Buffer> | undefined;
  const body = (): Promise<Buffer> => (bytes ??= readBody(req));
  const answer = await dispatch({ table, fallback: options.fallback, log: options.log }, {
    method: req.method ?? "GET",
    target: req.url ?? "/",
    headers: req.headers,
    token: tokenOf(req),
    peer: tcp ? undefined : peerOf(req, options.log),
    remoteAddress: req.socket.remoteAddress ?? "",
    body,
    json: async () => parseJson(await body()),
    signal: AbortSignal.any([gone.signal, closing]),
    // A unix socket has no name to rebind, and no browser reaches it.
    ...(tcp ? { check: () => checkHostAndOrigin(req, options.allowedHosts ?? []) } : {}),
  });
  // What is left of a body that nobody read would be taken for the next request.
  if (!req.complete || closing.aborted) res.setHeader("connection", "close");
  try {
    sendAnswer(res, answer, req.method === "HEAD");
  } catch (error) {
    options.log.error({ err: error, method: req.method }, "answer could not be sent");
    res.destroy();
  }
}

/** Undefined, and so without rights, when the kernel does not say. */
function peerOf(req: IncomingMessage, log: Logger): PeerCredentials | undefined {
  try {
    return socketPeer(req.socket);
  } catch (error) {
    log.warn({ err: error }, "peer credentials cannot be read");
    return undefined;
  }
}

function tokenOf(req: IncomingMessage): string {
  const own = req.headers["x-consul-token"];
  if (typeof own === "string" && own !== "") return own;
  const match = /^bearer +(\S+)$/i.exec(req.headers.authorization ?? "");
  return match?.[1] ?? "";
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
