import type { ServerResponse } from "node:http";
import { errorBody, MeshError } from "../../core/base/errors.ts";
import type { ApiResponse } from "./types.ts";

/** An answer as it goes out. */
export interface EncodedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

/** A JSON answer; for values such as `true` and `null`, which a bare `body` cannot carry. */
export function jsonResponse(value: unknown, headers: Record<string, string> = {}): ApiResponse {
  return { status: 200, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}

/**
 * What an error looks like from outside. Consul's paths answer as Consul does, in plain text; `/v1/mesh/` and whoever
 * asks for JSON get the error document. Faults of ours say nothing of their inside.
 */
export function errorResponse(error: unknown, path: string, accept: string | undefined): ApiResponse {
  const known = error instanceof MeshError ? error : new MeshError("INTERNAL", "the request failed");
  if (path.startsWith("/v1/mesh/") || accept?.includes("application/json")) {
    return { status: known.status, body: errorBody(known) };
  }
  const where = known.where === undefined ? "" : `${known.where}: `;
  return { status: known.status, body: `${where}${known.message}\nfix: ${known.fix}\n` };
}

/** Adds what every answer has: its type, and that nobody may keep or reinterpret it. */
export function encodeAnswer(answer: ApiResponse, pretty: boolean): EncodedAnswer {
  const { bytes, type } = encodeBody(answer, pretty);
  const headers = {
    "content-type": type, "cache-control": "no-store", "x-content-type-options": "nosniff", ...answer.headers,
  };
  return { status: answer.status, headers, bytes };
}

/** Writes the answer; quiet when the client has gone. */
export function sendAnswer(res: ServerResponse, answer: EncodedAnswer, headOnly: boolean): void {
  if (res.destroyed || res.headersSent) return;
  res.writeHead(answer.status, { ...answer.headers, "content-length": String(answer.bytes.length) });
  res.end(headOnly ? undefined : answer.bytes);
}

function encodeBody(answer: ApiResponse, pretty: boolean): { bytes: Buffer; type: string } {
  const { body, headers } = answer;
  if (body === undefined) return { bytes: Buffer.alloc(0), type: "text/plain; charset=utf-8" };
  if (Buffer.isBuffer(body)) return { bytes: body, type: "application/octet-stream" };
  const type = typeof body === "string" ? "text/plain; charset=utf-8" : "application/json";
  if (typeof body === "string" && !(pretty && headers?.["content-type"] === "application/json")) {
    return { bytes: Buffer.from(body), type };
  }
  const value: unknown = typeof body === "string" ? JSON.parse(body) : body;
  return { bytes: Buffer.from(`${JSON.stringify(value, undefined, pretty ? 4 : undefined)}\n`), type };
}
