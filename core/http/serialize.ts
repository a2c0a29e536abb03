// hot: writes every head that goes out
/* oxlint-disable max-params */
/**
 * A head for the next hop, from the validated slices of the one that came (pitfall 38). Field lines that stay as they
 * are get copied in runs, start line included; what ends here (hop-by-hop fields, those that Connection names, identity
 * claims) is left out between the runs; what this hop says follows at the end.
 */
import { Field, FieldFlag, Framing, Method, TargetForm } from "./constants.ts";
import type { FramingId } from "./constants.ts";
import type { Fields } from "./fields.ts";
import type { Head } from "./head.ts";
import { CR, LF, SP, ascii } from "./tables.ts";

/** What this hop changes. One reusable object per connection; set all four of the first ones before each use. */
export class HeadEdits {
  /** -1 passes Content-Length, Transfer-Encoding and Trailer as they came; else they are written anew. */
  framing: FramingId | -1 = -1;
  /** For `Framing.length`. */
  contentLength = 0;
  /** Says `connection: close`. */
  close = false;
  /** Says `connection: keep-alive`, which an HTTP/1.0 client needs to hear. */
  keepAlive = false;
  /** Appends `via: 1.x mesh` (RFC 9110 section 7.6.3). */
  via = true;
  /** Lines to append, each with its CR LF: must be valid fields. */
  extra: Uint8Array | undefined = undefined;
  /** Host for an HTTP/1.0 request that named none. */
  fallbackHost: Uint8Array = ascii("localhost");
}

const HTTP11_END = ascii(" HTTP/1.1\r\n");
const STATUS_START = ascii("HTTP/1.1 ");
const CONTENT_LENGTH = ascii("content-length: ");
const CHUNKED = ascii("transfer-encoding: chunked\r\n");
const HOST = ascii("host: ");
const MAX_FORWARDS = ascii("max-forwards: ");
const VIA = [ascii("via: 1.0 mesh\r\n"), ascii("via: 1.1 mesh\r\n")] as const;
const CLOSE = ascii("connection: close\r\n");
const KEEP_ALIVE = ascii("connection: keep-alive\r\n");
const UPGRADE = ascii("connection: upgrade\r\nupgrade: ");
const TE_TRAILERS = ascii("te: trailers\r\nconnection: te\r\n");
const TE_TRAILERS_CLOSE = ascii("te: trailers\r\nconnection: te, close\r\n");
/** More than all the constant lines above together, with a number or two. */
const OWN_BYTES_MAX = 320;
/** Below this a loop beats making a view for `set` (measured). */
const LOOP_BYTES_MAX = 48;
const SLASH = 47;
const ASTERISK = 42;
const COLON = 58;
const ZERO = 48;

/** Room that `serializeHead` needs at most. */
export function serializedBytesMax(head: Head, edits: HeadEdits): number {
  const extra = edits.extra === undefined ? 0 : edits.extra.length;
  // A ragged line `a:b` grows by its space.
  return head.to - head.from + head.count + OWN_BYTES_MAX + extra + edits.fallbackHost.length;
}

/** Writes the head at `out[at…]`, which must have room for `serializedBytesMax`; returns the position after it. */
export function serializeHead(out: Uint8Array, at: number, head: Head, edits: HeadEdits): number {
  const { buf, at: offsets, ids, flags, count } = head;
  const reframe = edits.framing !== -1;
  const fieldsTo = head.to - 2;
  let run = head.from;
  let p = at;
  if (!isStartLineFinal(head)) {
    p = head.isRequest ? writeRequestLine(out, p, head) : writeStatusLine(out, p, head);
    run = head.fieldsFrom;
  }
  for (let i = 0; i < count; i++) {
    const id = ids[i]!;
    let flag = flags[i]!;
    if (id !== Field.other) {
      if (reframe && (id === Field.contentLength || id === Field.transferEncoding || id === Field.trailer)) {
        flag |= FieldFlag.drop;
      } else if (id === Field.maxForwards && head.maxForwards > 0) flag |= FieldFlag.drop;
    }
    if (flag === 0) continue;
    p = copy(out, p, buf, run, offsets[4 * i]!);
    if ((flag & FieldFlag.drop) === 0) p = writeField(out, p, head, i);
    run = i + 1 < count ? offsets[4 * i + 4]! : fieldsTo;
  }
  p = copy(out, p, buf, run, fieldsTo);
  p = writeOwn(out, p, head, edits);
  if (edits.via) p = put(out, p, VIA[head.versionMinor === 0 ? 0 : 1]);
  if (edits.extra !== undefined) p = put(out, p, edits.extra);
  out[p] = CR;
  out[p + 1] = LF;
  return p + 2;
}

/** The lines that follow from framing, connection and target. */
function writeOwn(out: Uint8Array, at: number, head: Head, edits: HeadEdits): number {
  let p = at;
  if (head.isRequest && (head.versionMinor === 0 || head.hostFrom < 0) && head.indexOf(Field.host) < 0) {
    p = put(out, p, HOST);
    if (head.hostFrom >= 0) p = copy(out, p, head.buf, head.hostFrom, head.hostTo);
    else p = put(out, p, edits.fallbackHost);
    p = writeEnd(out, p);
  }
  if (edits.framing === Framing.length) {
    p = writeDecimal(out, put(out, p, CONTENT_LENGTH), edits.contentLength);
    p = writeEnd(out, p);
  } else if (edits.framing === Framing.chunked) p = put(out, p, CHUNKED);
  if (head.maxForwards > 0) {
    p = writeEnd(out, writeDecimal(out, put(out, p, MAX_FORWARDS), head.maxForwards - 1));
  }
  if (head.upgrade && head.upgradeIndex >= 0) {
    const i = 4 * head.upgradeIndex;
    p = copy(out, put(out, p, UPGRADE), head.buf, head.at[i + 2]!, head.at[i + 3]!);
    return writeEnd(out, p);
  }
  if (head.teTrailers && head.isRequest) return put(out, p, edits.close ? TE_TRAILERS_CLOSE : TE_TRAILERS);
  if (edits.close) return put(out, p, CLOSE);
  return edits.keepAlive ? put(out, p, KEEP_ALIVE) : p;
}

/** The start line as it came is also what goes out. */
function isStartLineFinal(head: Head): boolean {
  if (head.versionMinor !== 1) return false;
  if (head.isRequest) return head.targetForm !== TargetForm.absolute;
  // `HTTP/1.1 204` without the space gets its space.
  return head.buf[head.reasonFrom - 1] === SP;
}

function writeRequestLine(out: Uint8Array, at: number, head: Head): number {
  const { buf, pathFrom, pathTo } = head;
  let p = copy(out, at, buf, head.methodFrom, head.methodTo);
  out[p++] = SP;
  if (head.targetForm !== TargetForm.absolute) p = copy(out, p, buf, head.targetFrom, head.targetTo);
  else {
    if (pathFrom === pathTo && head.methodId === Method.options) out[p++] = ASTERISK;
    else if (pathFrom === pathTo || buf[pathFrom] !== SLASH) out[p++] = SLASH;
    p = copy(out, p, buf, pathFrom, pathTo);
  }
  return put(out, p, HTTP11_END);
}

function writeStatusLine(out: Uint8Array, at: number, head: Head): number {
  let p = writeDecimal(out, put(out, at, STATUS_START), head.status);
  out[p++] = SP;
  p = copy(out, p, head.buf, head.reasonFrom, head.reasonTo);
  return writeEnd(out, p);
}

/** `name: value CRLF` from a field whose white space was otherwise. */
function writeField(out: Uint8Array, at: number, fields: Fields, index: number): number {
  const offsets = fields.at;
  let p = copy(out, at, fields.buf, offsets[4 * index]!, offsets[4 * index + 1]!);
  out[p] = COLON;
  out[p + 1] = SP;
  p = copy(out, p + 2, fields.buf, offsets[4 * index + 2]!, offsets[4 * index + 3]!);
  return writeEnd(out, p);
}

/** Room that `serializeTrailers` needs at most. */
export function trailersBytesMax(trailers: Fields): number {
  let size = 8;
  for (let i = 0; i < trailers.count; i++) {
    size += trailers.at[4 * i + 1]! - trailers.at[4 * i]! + trailers.at[4 * i + 3]! - trailers.at[4 * i + 2]! + 4;
  }
  return size;
}

/** Last chunk and trailer section with the fields that may pass; returns the position after them. */
export function serializeTrailers(out: Uint8Array, at: number, trailers: Fields): number {
  out[at] = ZERO;
  let p = writeEnd(out, at + 1);
  for (let i = 0; i < trailers.count; i++) if (!trailers.isDropped(i)) p = writeField(out, p, trailers, i);
  return writeEnd(out, p);
}

/** Bytes of the longest chunk header: 12 digits and CR LF. */
export const CHUNK_HEADER_BYTES_MAX = 14;
/** Ends a chunk's data. */
export const CHUNK_END: Uint8Array = ascii("\r\n");
/** Ends a chunked body that has no trailers. */
export const LAST_CHUNK: Uint8Array = ascii("0\r\n\r\n");

/** `size CRLF` in hexadecimal; returns the position after it. `size` is at least 1: zero would end the body. */
export function writeChunkHeader(out: Uint8Array, at: number, size: number): number {
  let digits = 1;
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 16)) digits++;
  let rest = size;
  for (let p = at + digits - 1; p >= at; p--) {
    const digit = rest % 16;
    out[p] = digit < 10 ? ZERO + digit : 87 + digit;
    rest = Math.floor(rest / 16);
  }
  return writeEnd(out, at + digits);
}

function writeDecimal(out: Uint8Array, at: number, value: number): number {
  let digits = 1;
  for (let rest = Math.floor(value / 10); rest > 0; rest = Math.floor(rest / 10)) digits++;
  let rest = value;
  for (let p = at + digits - 1; p >= at; p--) {
    out[p] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return at + digits;
}

function writeEnd(out: Uint8Array, at: number): number {
  out[at] = CR;
  out[at + 1] = LF;
  return at + 2;
}

function put(out: Uint8Array, at: number, bytes: Uint8Array): number {
  for (let k = 0; k < bytes.length; k++) out[at + k] = bytes[k]!;
  return at + bytes.length;
}

function copy(out: Uint8Array, at: number, buf: Uint8Array, from: number, to: number): number {
  const length = to - from;
  if (length > LOOP_BYTES_MAX) out.set(buf.subarray(from, to), at);
  else for (let k = 0; k < length; k++) out[at + k] = buf[from + k]!;
  return at + length;
}
