// hot: one per direction and connection, filled once per message
import { Fields, text } from "./fields.ts";
import { Framing, METHOD_NAMES, Method, TargetForm } from "./constants.ts";
import type { FramingId, MethodId, TargetFormId } from "./constants.ts";

/**
 * One request or response head: offsets into `buf` and the decisions that follow from the fields, made once.
 * Reused for every message of a connection; to keep it beyond the parser's next call, `retain()` it.
 */
export class Head extends Fields {
  readonly isRequest: boolean;
  /** The whole head, final empty line included. */
  from = 0;
  to = 0;
  /** Where the first field line begins. */
  fieldsFrom = 0;
  /** 0 or 1 of `HTTP/1.x`. */
  versionMinor = 1;

  // Requests only.
  methodId: MethodId = Method.other;
  methodFrom = 0;
  methodTo = 0;
  targetFrom = 0;
  targetTo = 0;
  targetForm: TargetFormId = TargetForm.origin;
  /** Path and query in the target; empty in absolute-form means `/`. */
  pathFrom = 0;
  pathTo = 0;
  /** Host and port from the Host field or the target's authority; `hostFrom` -1: none (HTTP/1.0). */
  hostFrom = -1;
  hostTo = -1;
  /** The client waits for a 100 (Continue) before it sends the body. */
  expectContinue = false;
  /** The client takes trailers. */
  teTrailers = false;
  /** Max-Forwards of a TRACE or OPTIONS request, else -1. */
  maxForwards = -1;

  // Responses only.
  status = 0;
  reasonFrom = 0;
  reasonTo = 0;
  /** 1xx other than 101: the final response still comes. */
  interim = false;

  // Both.
  framing: FramingId = Framing.none;
  /** What the fields declare: differs from `framing` in answers to HEAD and in 304. */
  declared: FramingId = Framing.none;
  /** Bytes of the body where Content-Length says so, else -1. */
  contentLength = -1;
  /** The sender will take (request) or send (response) another message on this connection. */
  keepAlive = true;
  /** A valid request to switch protocols, or the 101 that answers one. */
  upgrade = false;
  /** Index of the Upgrade field when `upgrade`. */
  upgradeIndex = -1;

  constructor(isRequest: boolean) {
    super();
    this.isRequest = isRequest;
  }

  methodName(): string {
    return this.methodId === Method.other
      ? text(this.buf, this.methodFrom, this.methodTo)
      : METHOD_NAMES[this.methodId]!;
  }

  /** Path and query as the next hop sees them. */
  path(): string {
    const path = text(this.buf, this.pathFrom, this.pathTo);
    if (this.targetForm !== TargetForm.absolute || path.startsWith("/")) return path;
    return path === "" && this.methodId === Method.options ? "*" : `/${path}`;
  }

  /** Host and port in lower case, or "" when an HTTP/1.0 client gave none. */
  host(): string {
    return this.hostFrom < 0 ? "" : text(this.buf, this.hostFrom, this.hostTo).toLowerCase();
  }

  reason(): string {
    return text(this.buf, this.reasonFrom, this.reasonTo);
  }

  /** Back to what a head without any field means. */
  resetDecisions(): void {
    this.declared = Framing.none;
    this.contentLength = -1;
    this.keepAlive = this.versionMinor === 1;
    this.upgrade = false;
    this.upgradeIndex = -1;
    this.expectContinue = false;
    this.teTrailers = false;
    this.maxForwards = -1;
    this.interim = false;
  }

  /** Copies the head's bytes, so that it outlives the read buffer; it is still reused for the next message. */
  retain(): void {
    this.rebase(this.buf.slice(this.from, this.to), -this.from);
  }

  /** Points every offset to the same bytes in another buffer. */
  rebase(buf: Uint8Array, shift: number): void {
    this.buf = buf;
    if (shift === 0) return;
    for (let i = 0; i < 4 * this.count; i++) this.at[i]! += shift;
    this.from += shift;
    this.to += shift;
    this.fieldsFrom += shift;
    this.methodFrom += shift;
    this.methodTo += shift;
    this.targetFrom += shift;
    this.targetTo += shift;
    this.pathFrom += shift;
    this.pathTo += shift;
    if (this.hostFrom >= 0) {
      this.hostFrom += shift;
      this.hostTo += shift;
    }
    this.reasonFrom += shift;
    this.reasonTo += shift;
  }
}
