import type { IncomingHttpHeaders } from "node:http";

/** One request to the HTTP API, after the checks that every request goes through. */
export interface ApiRequest {
  readonly method: string;
  /** As sent, without the query. */
  readonly path: string;
  /** Values of the route's `:names` and `*rest`, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** From X-Consul-Token or `Authorization: Bearer`; empty when there was none. */
  readonly token: string;
  /** Who is at the other end of a unix socket; undefined on TCP. */
  readonly peer: PeerCredentials | undefined;
  /** The caller's IP address; empty on a unix socket. */
  readonly remoteAddress: string;
  /** At most BODY_BYTES_MAX; read once, later calls give the same bytes. */
  body(): Promise<Buffer>;
  /** The body as JSON, checked for depth and for keys that could reach a prototype; undefined when it is empty. */
  json(): Promise<unknown>;
  /** Aborted when the client goes away or the server closes. */
  readonly signal: AbortSignal;
}

export interface PeerCredentials {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object goes out as JSON, a string as text, unless `headers` says otherwise. */
  readonly body?: string | Buffer | object;
}

export type ApiHandler = (req: ApiRequest) => Promise<ApiResponse> | ApiResponse;

export interface Route {
  readonly method: string;
  /** `/v1/agent/check/pass/:id`; a trailing `*rest` takes everything that follows. */
  readonly path: string;
  readonly handler: ApiHandler;
}
