import type { Socket } from "node:net";
import { MeshError } from "../../core/base/errors.ts";
import type { Logger } from "../logger.ts";
import { splitPath } from "./match.ts";
import { encodeAnswer, type EncodedAnswer, errorResponse } from "./render.ts";
import type { RouteTable } from "./table.ts";
import type { ApiHandler, ApiRequest, ApiResponse } from "./types.ts";

/** A request as it came, from HTTP or inside of a gRPC call. */
export interface RawRequest extends Pick<ApiRequest, "headers" | "token" | "peer" | "remoteAddress" | "signal"> {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly body: ApiRequest["body"];
  readonly json: ApiRequest["json"];
  /** Checks that depend on the transport (Host, Origin); throws. */
  readonly check?: () => void;
}

export interface Dispatcher {
  readonly table: RouteTable;
  /** Takes what no route matches. */
  readonly fallback?: ApiHandler | undefined;
  readonly log: Logger;
}

/** Runs a request through its route; every error becomes an answer. */
export async function dispatch(dispatcher: Dispatcher, raw: RawRequest): Promise<EncodedAnswer> {
  try {
    return await answerOrThrow(dispatcher, raw);
  } catch (error) {
    const path = pathOf(raw);
    if (!(error instanceof MeshError) || error.code === "INTERNAL") {
      dispatcher.log.error({ err: error, method: raw.method, path }, "request failed");
    }
    return encodeAnswer(errorResponse(error, path, raw.headers.accept), queryOf(raw).has("pretty"));
  }
}

/** The same for a caller that renders errors itself. */
export async function answerOrThrow(dispatcher: Dispatcher, raw: RawRequest): Promise<EncodedAnswer> {
  raw.check?.();
  const query = queryOf(raw);
  return encodeAnswer(await route(dispatcher, raw, { path: pathOf(raw), query }), query.has("pretty"));
}

const pathOf = ({ target }: RawRequest): string => target.split("?", 1)[0]!;
const queryOf = (raw: RawRequest): URLSearchParams => new URLSearchParams(raw.target.slice(pathOf(raw).length + 1));

function route(
  { table, fallback }: Dispatcher, raw: RawRequest, { path, query }: Pick<ApiRequest, "path" | "query">,
): Promise<ApiResponse> | ApiResponse {
  const parts = path.startsWith("/") ? splitPath(path) : undefined;
  if (parts === undefined) throw new MeshError("INVALID", "the path is not valid");
  if (query.has("token")) {
    throw new MeshError("INVALID", "a token in the query would end up in logs and histories, it is not accepted", {
      fix: "send it in the X-Consul-Token header, and revoke it if it was real",
    });
  }
  const found = table.find(raw.method, parts);
  const handler = found?.handler ?? fallback;
  if (handler === undefined) throw table.notFound(path, parts);
  const { method, headers, token, peer, remoteAddress, body, json, signal } = raw;
  const params = found?.params ?? {};
  return handler({ method, path, params, query, headers, token, peer, remoteAddress, body, json, signal });
}

/** True for a connection over TCP, false on a unix socket. */
export const isTcp = (socket: Socket): boolean => socket.remoteAddress !== undefined;
