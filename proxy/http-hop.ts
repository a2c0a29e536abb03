import type { Head } from "../core/http/head.ts";
import type { ProxyErrorCode } from "../core/model/proxy-errors.ts";
import type { HttpExchange } from "./http-exchange.ts";

/** RFC 9110 section 7.6.2: such a request is not forwarded, and a proxy has nothing of its own to say to it. */
export const LAST_HOP = "Max-Forwards is 0: the request ends at this proxy";

/**
 * What differs between the two hops of a request: where it goes, and what is counted. The exchange calls these; each
 * hop answers with `attach`, `answer`, or later.
 */
export interface HttpHop {
  /** Lines that go into every forwarded request, identity of the caller for instance. */
  readonly requestLines: Uint8Array | undefined;
  /** Which of the two messages gets this mesh's Via line here: each gets one on its way. */
  readonly viaOnRequest: boolean;
  /** The peer is another proxy of the mesh: its `x-mesh-error` passes. */
  readonly meshUpstream: boolean;
  /** The client is another proxy of the mesh: it has its own timeouts, and the stream ends with the answer. */
  readonly meshClient: boolean;
  /** A request's head is here. Call `attach` now or later, or `answer`. */
  route(exchange: HttpExchange, head: Head): void;
  /**
   * The upstream ended before an answer began, and the request can be sent again if `replayable`.
   * Returns true when it took the matter in hand; false: the exchange answers with the code.
   */
  again(exchange: HttpExchange, replayable: boolean): boolean;
  /** What to say about the hop's own failure; undefined: the code's usual words. */
  explain(exchange: HttpExchange, code: ProxyErrorCode): string | undefined;
  /** The request is out. */
  requestSent(exchange: HttpExchange): void;
  /** The upstream is not needed any more; `clean`: it may serve another request. */
  release(exchange: HttpExchange, clean: boolean): void;
  /** The exchange is over: count it. Status 0: the client went away before one was known. */
  settle(exchange: HttpExchange): void;
  /** The client's connection is over and the exchange object with it. */
  closed(exchange: HttpExchange): void;
}
