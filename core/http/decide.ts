// hot: runs once per head
/* oxlint-disable max-lines-per-function */
/**
 * What follows from a scanned head, decided once: how the body ends, whether the connection goes on, which fields stay
 * behind. The rules are those of RFC 9112 sections 6 and 9 and RFC 9110 section 7, with every "may repair" taken as
 * "refuse": two parties that repair differently is what request smuggling lives on (pitfall 39).
 */
import { Field, Framing, HttpLimits, Method, TargetForm } from "./constants.ts";
import type { MethodId } from "./constants.ts";
import { readConnection, readUpgrade, valueIs, valueHas } from "./connection.ts";
import { HttpError } from "./errors.ts";
import type { HttpErrorId } from "./errors.ts";
import type { Head } from "./head.ts";
import { isHost, sameHost } from "./host.ts";

const ZERO = 48;

/** Decides a request head whose lines are all scanned. */
export function decideRequest(head: Head): HttpErrorId {
  const error = readFields(head);
  if (error !== HttpError.none) return error;
  if (head.targetForm === TargetForm.authority && !isHost(head.buf, head.hostFrom, head.hostTo)) {
    return HttpError.target;
  }
  head.framing = head.declared;
  if (head.upgrade && (head.versionMinor === 0 || head.contentLength > 0 || head.framing === Framing.chunked)) {
    // A switch while a body is on its way: legal, used by nobody, and a classic of smuggling. Answered without switch.
    head.upgrade = false;
  }
  if (head.versionMinor === 0) head.expectContinue = false;
  if (head.methodId !== Method.trace && head.methodId !== Method.options) head.maxForwards = -1;
  return HttpError.none;
}

/** Decides a response head, given what was asked. */
export function decideResponse(head: Head, asked: MethodId, upgradeAsked: boolean): HttpErrorId {
  const error = readFields(head);
  if (error !== HttpError.none) return error;
  const status = head.status;
  head.interim = status < 200 && status !== 101;
  if (status === 101) {
    if (!upgradeAsked || !head.upgrade) return HttpError.switchUnasked;
  } else if (asked === Method.connect && status < 300 && status >= 200) {
    head.upgrade = true;
  } else head.upgrade = false;
  if (status < 200 || status === 204 || head.upgrade) {
    // RFC 9110 section 8.6: no Content-Length here; servers send one all the same, so it is not passed on.
    if (head.declared === Framing.chunked) return HttpError.codingOnBodiless;
    if (head.declared === Framing.length) head.drop(head.indexOf(Field.contentLength));
    head.declared = Framing.none;
    head.contentLength = -1;
    head.framing = Framing.none;
  } else if (asked === Method.head || status === 304) head.framing = Framing.none;
  else {
    head.framing = head.declared === Framing.none ? Framing.untilClose : head.declared;
    if (head.framing === Framing.untilClose) head.keepAlive = false;
  }
  return HttpError.none;
}

function readFields(head: Head): HttpErrorId {
  let connection = 0;
  let upgrade = -1;
  let coding = false;
  let host = false;
  head.resetDecisions();
  const ids = head.ids;
  for (let i = 0; i < head.count; i++) {
    switch (ids[i]) {
      case Field.other:
        break;
      case Field.host: {
        if (!head.isRequest) break;
        if (host) return HttpError.hostRepeated;
        host = true;
        const error = readHost(head, i);
        if (error !== HttpError.none) return error;
        break;
      }
      case Field.contentLength: {
        if (head.contentLength >= 0) return HttpError.lengthRepeated;
        head.contentLength = decimal(head, i, HttpLimits.contentLengthDigitsMax);
        if (head.contentLength < 0) return HttpError.lengthInvalid;
        break;
      }
      case Field.transferEncoding:
        if (coding) return HttpError.codingRepeated;
        coding = true;
        if (head.versionMinor === 0) return HttpError.codingInHttp10;
        if (!valueIs(head, i, "chunked")) return HttpError.codingUnknown;
        break;
      case Field.connection:
        connection++;
        head.drop(i);
        break;
      case Field.upgrade:
        head.drop(i);
        // Two Upgrade fields: the switch is not offered on.
        upgrade = upgrade === -1 ? i : -2;
        break;
      case Field.keepAlive:
      case Field.proxyConnection:
      case Field.http2Settings:
        head.drop(i);
        break;
      case Field.te:
        head.drop(i);
        if (valueHas(head, i, "trailers")) head.teTrailers = true;
        break;
      case Field.expect:
        if (!head.isRequest) break;
        if (!valueIs(head, i, "100-continue")) return HttpError.expectation;
        head.expectContinue = true;
        if (head.versionMinor === 0) head.drop(i);
        break;
      case Field.maxForwards:
        head.maxForwards = decimal(head, i, 9);
        break;
      case Field.lookalike:
        return HttpError.lookalike;
      default:
        break;
    }
  }
  if (!host && head.isRequest && head.versionMinor === 1) return HttpError.hostMissing;
  if (coding && head.contentLength >= 0) return HttpError.codingWithLength;
  if (coding) head.declared = Framing.chunked;
  else if (head.contentLength >= 0) head.declared = Framing.length;
  if (connection > 0) {
    if (!readConnection(head)) return HttpError.connectionInvalid;
    if (upgrade >= 0 && head.upgrade) readUpgrade(head, upgrade);
    else head.upgrade = false;
  }
  return HttpError.none;
}

function readHost(head: Head, index: number): HttpErrorId {
  const from = head.at[4 * index + 2]!;
  const to = head.at[4 * index + 3]!;
  if (!isHost(head.buf, from, to)) return HttpError.hostInvalid;
  if (head.targetForm === TargetForm.absolute && !sameHost(head.buf, [head.hostFrom, head.hostTo], [from, to])) {
    return HttpError.hostMismatch;
  }
  if (head.targetForm !== TargetForm.authority) {
    head.hostFrom = from;
    head.hostTo = to;
  }
  return HttpError.none;
}

/** The value as a number of 1 to `digitsMax` decimal digits and nothing else, or -1. */
function decimal(head: Head, index: number, digitsMax: number): number {
  const from = head.at[4 * index + 2]!;
  const to = head.at[4 * index + 3]!;
  if (from === to || to - from > digitsMax) return -1;
  let value = 0;
  for (let p = from; p < to; p++) {
    const digit = head.buf[p]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

