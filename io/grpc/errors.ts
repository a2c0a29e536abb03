import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { CODES } from "../../core/base/codes.ts";
import { type ErrorCode, MeshError } from "../../core/base/errors.ts";

/*
 * The one place where MeshErrors become gRPC statuses and back. Code, message, fix and place travel as JSON in a binary
 * trailer; the status is for whoever speaks plain gRPC.
 */

const TRAILER = "mesh-error-bin";

const STATUS_BY_HTTP: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  405: status.UNIMPLEMENTED,
  409: status.ABORTED,
  413: status.RESOURCE_EXHAUSTED,
  429: status.RESOURCE_EXHAUSTED,
  501: status.UNIMPLEMENTED,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
};

export interface GrpcFailure {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** What a call ends with. Errors that are no MeshError say nothing of their inside. */
export function toGrpcError(error: unknown): GrpcFailure {
  const known = error instanceof MeshError ? error : new MeshError("INTERNAL", "the call failed");
  const { code, message, fix, where } = known;
  const metadata = new Metadata();
  metadata.set(TRAILER, Buffer.from(JSON.stringify({ code, message, fix, where })));
  return { code: STATUS_BY_HTTP[known.status] ?? status.INTERNAL, details: message, metadata };
}

const CODE_BY_STATUS: Readonly<Partial<Record<status, ErrorCode>>> = {
  [status.UNAVAILABLE]: "UNREACHABLE",
  [status.CANCELLED]: "UNREACHABLE",
  [status.DEADLINE_EXCEEDED]: "TIMEOUT",
  [status.PERMISSION_DENIED]: "DENIED",
  [status.UNAUTHENTICATED]: "DENIED",
  [status.INVALID_ARGUMENT]: "INVALID",
  [status.NOT_FOUND]: "NOT_FOUND",
  [status.UNIMPLEMENTED]: "NOT_BUILT",
  [status.RESOURCE_EXHAUSTED]: "LIMITED",
};

/** The server's own error when it sent one; else what the status means. */
export function fromGrpcError(error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  const failure = error as Partial<ServiceError>;
  const sent = failure.metadata?.get(TRAILER)[0];
  if (sent !== undefined && Buffer.isBuffer(sent)) {
    const { code, message, fix, where } = JSON.parse(sent.toString()) as Record<string, string | undefined>;
    if (code !== undefined && Object.hasOwn(CODES, code)) {
      const details = { ...(fix === undefined ? {} : { fix }), ...(where === undefined ? {} : { where }) };
      return new MeshError(code as ErrorCode, message ?? code, details);
    }
  }
  const code = (failure.code === undefined ? undefined : CODE_BY_STATUS[failure.code]) ?? "INTERNAL";
  return new MeshError(code, failure.details ?? String(error), { cause: error });
}
