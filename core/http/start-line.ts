// hot: runs once per head
import { HttpLimits, Method, TargetForm } from "./constants.ts";
import type { MethodId } from "./constants.ts";
import { HttpError } from "./errors.ts";
import type { HttpErrorId } from "./errors.ts";
import type { Head } from "./head.ts";
import { NEED_MORE, REFUSED } from "./scan.ts";
import type { ScanState } from "./scan.ts";
import { COLON, CR, LF, SP, TARGET, TOKEN, VALUE, ascii } from "./tables.ts";

const HTTP_SLASH_ONE_DOT = ascii("HTTP/1.");
const VERSION_BYTES = HTTP_SLASH_ONE_DOT.length + 1;
const SLASH = 47;
const ASTERISK = 42;
const QUESTION = 63;
const ZERO = 48;
const NINE = 57;

/** `method SP request-target SP HTTP-version CRLF`, exactly one space each (RFC 9112 section 3). */
export function scanRequestLine(head: Head, state: ScanState, from: number, to: number): number {
  const buf = head.buf;
  let p = from;
  state.resumeAt = from;
  while (p < to && TOKEN[buf[p]!] !== 0) p++;
  if (p - from > HttpLimits.methodBytesMax) return refuse(state, HttpError.method);
  if (p === to) return NEED_MORE;
  if (buf[p] !== SP || p === from) return refuse(state, buf[p] === LF ? HttpError.lineEnd : HttpError.method);
  head.methodFrom = from;
  head.methodTo = p;
  head.methodId = methodOf(buf, from, p);

  const target = ++p;
  while (p < to && TARGET[buf[p]!] !== 0) p++;
  if (p - target > HttpLimits.targetBytesMax) return refuse(state, HttpError.targetTooLong);
  if (p === to) return NEED_MORE;
  if (p === target) return refuse(state, HttpError.target);
  if (buf[p] !== SP) {
    const c = buf[p]!;
    return refuse(state, c === LF ? HttpError.lineEnd : c === CR ? HttpError.version : HttpError.target);
  }
  head.targetFrom = target;
  head.targetTo = p;
  if (!readTarget(head)) return refuse(state, HttpError.target);

  const version = p + 1;
  const end = scanVersion(head, state, version, to);
  if (end < 0) return end;
  if (end === to) return NEED_MORE;
  if (buf[end] !== CR) return refuse(state, buf[end] === LF ? HttpError.lineEnd : HttpError.version);
  if (end + 1 === to) return NEED_MORE;
  return buf[end + 1] === LF ? end + 2 : refuse(state, HttpError.lineEnd);
}

/** `HTTP-version SP 3DIGIT [ SP reason-phrase ] CRLF`: many servers leave the last space away (RFC 9112 section 4). */
export function scanStatusLine(head: Head, state: ScanState, from: number, to: number): number {
  const buf = head.buf;
  state.resumeAt = from;
  const version = scanVersion(head, state, from, to);
  if (version < 0) return version;
  if (to - version < 5) {
    // Less than SP 3DIGIT and one byte more: only the space and digits can be judged.
    for (let k = version; k < to; k++) {
      const fits = k === version ? buf[k] === SP : k < version + 4 ? isDigit(buf[k]!) : true;
      if (!fits) return refuse(state, HttpError.status);
    }
    return NEED_MORE;
  }
  const a = buf[version + 1]!;
  const b = buf[version + 2]!;
  const c = buf[version + 3]!;
  if (buf[version] !== SP || !isDigit(a) || !isDigit(b) || !isDigit(c) || a === ZERO) {
    return refuse(state, HttpError.status);
  }
  head.status = (a - ZERO) * 100 + (b - ZERO) * 10 + (c - ZERO);
  let p = version + 4;
  if (buf[p] === SP) p++;
  else if (buf[p] !== CR) return refuse(state, buf[p] === LF ? HttpError.lineEnd : HttpError.status);
  head.reasonFrom = p;
  while (p < to && VALUE[buf[p]!] !== 0) p++;
  head.reasonTo = p;
  if (p === to) return NEED_MORE;
  if (buf[p] !== CR) return refuse(state, buf[p] === LF ? HttpError.lineEnd : HttpError.status);
  if (p + 1 === to) return NEED_MORE;
  return buf[p + 1] === LF ? p + 2 : refuse(state, HttpError.lineEnd);
}

/** Position after `HTTP/1.0` or `HTTP/1.1`; another digit pair is a version that is not spoken, the rest is garbage. */
function scanVersion(head: Head, state: ScanState, from: number, to: number): number {
  const buf = head.buf;
  const last = VERSION_BYTES - 1;
  for (let k = 0; k < VERSION_BYTES; k++) {
    if (from + k >= to) return NEED_MORE;
    const c = buf[from + k]!;
    if (k === last) {
      if (c === ZERO || c === ZERO + 1) continue;
      return refuse(state, isDigit(c) ? HttpError.versionUnsupported : HttpError.version);
    }
    if (c === HTTP_SLASH_ONE_DOT[k]) continue;
    return refuse(state, k === 5 && isDigit(c) ? HttpError.versionUnsupported : HttpError.version);
  }
  head.versionMinor = buf[from + last]! - ZERO;
  return from + VERSION_BYTES;
}

/** Classifies the target and finds its path and, in absolute-form, its authority (RFC 9112 section 3.2). */
function readTarget(head: Head): boolean {
  const buf = head.buf;
  const from = head.targetFrom;
  const to = head.targetTo;
  head.hostFrom = -1;
  head.pathFrom = from;
  head.pathTo = to;
  head.targetForm = TargetForm.origin;
  if (head.methodId === Method.connect) {
    head.targetForm = TargetForm.authority;
    head.pathFrom = to;
    head.hostFrom = from;
    head.hostTo = to;
    return true;
  }
  if (buf[from] === SLASH) return true;
  if (buf[from] === ASTERISK && to - from === 1) {
    head.targetForm = TargetForm.asterisk;
    return head.methodId === Method.options;
  }
  return readAbsolute(head, from, to);
}

/** `http://authority[path][?query]` or `https://…`: no other scheme is routed here. */
function readAbsolute(head: Head, from: number, to: number): boolean {
  const buf = head.buf;
  let p = from;
  for (let k = 0; k < 4; k++, p++) if (p >= to || (buf[p]! | 32) !== "http".charCodeAt(k)) return false;
  if (p < to && (buf[p]! | 32) === 115) p++;
  if (to - p < 4 || buf[p] !== COLON || buf[p + 1] !== SLASH || buf[p + 2] !== SLASH) return false;
  p += 3;
  head.hostFrom = p;
  while (p < to && buf[p] !== SLASH && buf[p] !== QUESTION) p++;
  head.hostTo = p;
  head.pathFrom = p;
  head.targetForm = TargetForm.absolute;
  return head.hostTo > head.hostFrom;
}

/** Methods are case-sensitive (RFC 9110 section 9.1): `get` is some other method. */
function methodOf(buf: Uint8Array, from: number, to: number): MethodId {
  const length = to - from;
  const first = buf[from]!;
  switch (length) {
    case 3:
      if (first === 71 && buf[from + 1] === 69 && buf[from + 2] === 84) return Method.get;
      return is(buf, from, "PUT") ? Method.put : Method.other;
    case 4:
      if (is(buf, from, "POST")) return Method.post;
      return is(buf, from, "HEAD") ? Method.head : Method.other;
    case 5:
      if (is(buf, from, "PATCH")) return Method.patch;
      return is(buf, from, "TRACE") ? Method.trace : Method.other;
    case 6:
      return is(buf, from, "DELETE") ? Method.delete : Method.other;
    case 7:
      if (is(buf, from, "OPTIONS")) return Method.options;
      return is(buf, from, "CONNECT") ? Method.connect : Method.other;
    default:
      return Method.other;
  }
}

function is(buf: Uint8Array, from: number, word: string): boolean {
  for (let k = 0; k < word.length; k++) if (buf[from + k] !== word.charCodeAt(k)) return false;
  return true;
}

function isDigit(c: number): boolean {
  return c >= ZERO && c <= NINE;
}

function refuse(state: ScanState, error: HttpErrorId): number {
  state.error = error;
  return REFUSED;
}
