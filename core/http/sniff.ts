/**
 * What a client speaks, from its first bytes. HTTP/1 needs its whole request line: a line protocol like Redis' or
 * SMTP's begins with a word and a space too, and must not be taken for it.
 */
import { LF, SP, TARGET, TOKEN, ascii } from "./tables.ts";

export const Sniff = { needMore: 0, http1: 1, http2: 2, tls: 3, other: 4 } as const;
export type SniffId = (typeof Sniff)[keyof typeof Sniff];

const PREFACE = ascii("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const VERSION = ascii("HTTP/1.");
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"].map(ascii);
/** A line longer than this is judged by its method. */
const LINE_BYTES_MAX = 4096;
const METHOD_BYTES_MAX = 32;
const TLS_HANDSHAKE = 22;
const TLS_MAJOR = 3;
const TLS_MINOR_MAX = 4;

/** Judges `buf[from, to)`, the connection's first bytes so far. `needMore` never lasts beyond 4 kB. */
export function sniffProtocol(buf: Uint8Array, from: number, to: number): SniffId {
  const length = to - from;
  if (length === 0) return Sniff.needMore;
  if (buf[from] === TLS_HANDSHAKE) {
    if (length > 1 && buf[from + 1] !== TLS_MAJOR) return Sniff.other;
    if (length > 2) return buf[from + 2]! <= TLS_MINOR_MAX ? Sniff.tls : Sniff.other;
    return Sniff.needMore;
  }
  const preface = Math.min(length, PREFACE.length);
  let same = 0;
  while (same < preface && buf[from + same] === PREFACE[same]) same++;
  if (same === PREFACE.length) return Sniff.http2;
  if (same === length) return Sniff.needMore;
  return sniffRequestLine(buf, from, to);
}

function sniffRequestLine(buf: Uint8Array, from: number, to: number): SniffId {
  let p = from;
  while (p < to && TOKEN[buf[p]!] !== 0) p++;
  const methodTo = p;
  if (methodTo - from > METHOD_BYTES_MAX) return Sniff.other;
  if (p === to) return Sniff.needMore;
  if (p === from || buf[p] !== SP) return Sniff.other;
  p++;
  const target = p;
  while (p < to && TARGET[buf[p]!] !== 0) p++;
  if (p === to) {
    if (to - from < LINE_BYTES_MAX) return Sniff.needMore;
    return METHODS.some((m) => isMethod(m, buf, from, methodTo)) ? Sniff.http1 : Sniff.other;
  }
  if (p === target || buf[p] !== SP) return Sniff.other;
  p++;
  for (let k = 0; k < VERSION.length; k++, p++) {
    if (p === to) return Sniff.needMore;
    if (buf[p] === LF || buf[p] !== VERSION[k]) return Sniff.other;
  }
  return Sniff.http1;
}

function isMethod(method: Uint8Array, buf: Uint8Array, from: number, to: number): boolean {
  return to - from === method.length && method.every((c, k) => buf[from + k] === c);
}
