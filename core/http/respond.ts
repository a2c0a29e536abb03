import { utf8Encode } from "../base/bytes.ts";
import { Framing, Method } from "./constants.ts";
import type { MethodId } from "./constants.ts";
import type { Head } from "./head.ts";
import type { HeadEdits } from "./serialize.ts";
import { ascii } from "./tables.ts";

/** Statuses that a proxy answers with by itself. */
const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request", 403: "Forbidden", 405: "Method Not Allowed", 408: "Request Timeout", 413: "Content Too Large",
  414: "URI Too Long", 417: "Expectation Failed", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
  500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
  504: "Gateway Timeout", 505: "HTTP Version Not Supported",
};

export interface ErrorResponse {
  readonly status: number;
  /** Goes into `x-mesh-error` and the body. */
  readonly code: string;
  readonly message: string;
  /** Ends the connection after it. */
  readonly close: boolean;
  /** Answer to HEAD: the length is told, the body is not sent. */
  readonly headOnly?: boolean;
}

/** A complete answer that the proxy makes itself. */
export function errorResponse(response: ErrorResponse): Uint8Array {
  const { status, code, message } = response;
  const body = utf8Encode(`${JSON.stringify({ error: { code, message } })}\n`);
  const head = ascii(
    `HTTP/1.1 ${status} ${REASONS[status] ?? "Error"}\r\n`
    + `content-type: application/json\r\ncontent-length: ${body.length}\r\nx-mesh-error: ${code}\r\n`
    + `${response.close ? "connection: close\r\n" : ""}\r\n`,
  );
  if (response.headOnly === true) return head;
  const out = new Uint8Array(head.length + body.length);
  out.set(head);
  out.set(body, head.length);
  return out;
}

/** What of a request its answer depends on; kept when the head itself is gone. */
export interface AskedBy {
  readonly methodId: MethodId;
  readonly versionMinor: number;
  readonly keepAlive: boolean;
}

/**
 * Sets `edits` so that a response suits the client that gets it: chunked for one that would otherwise last until close,
 * until close for an HTTP/1.0 client where the length is unknown. Returns whether the client's connection goes on.
 */
export function fitResponse(edits: HeadEdits, response: Head, asked: AskedBy): boolean {
  edits.framing = -1;
  let goesOn = asked.keepAlive;
  const bodiless = response.framing === Framing.none;
  if (asked.versionMinor === 0) {
    const lengthUnknown = response.framing === Framing.chunked || response.framing === Framing.untilClose;
    if (lengthUnknown || response.declared === Framing.chunked) edits.framing = Framing.untilClose;
    if (lengthUnknown) goesOn = false;
  } else if (!bodiless && response.framing === Framing.untilClose) edits.framing = Framing.chunked;
  if (asked.methodId === Method.connect) goesOn = false;
  edits.close = !goesOn && !response.interim && !response.upgrade;
  edits.keepAlive = goesOn && asked.versionMinor === 0;
  return goesOn;
}
