// hot: runs once per request head
import { COLON, HOST, LOWER } from "./tables.ts";

const OPEN = 91;
const CLOSE = 93;

/** `uri-host [ ":" port ]` with a non-empty host and a port of 1 to 65535, or an empty one (RFC 3986 section 3.2). */
export function isHost(buf: Uint8Array, from: number, to: number): boolean {
  let p = from;
  if (p < to && buf[p] === OPEN) {
    p++;
    while (p < to && isIpv6Byte(buf[p]!)) p++;
    if (p === to || buf[p] !== CLOSE || p - from < 3) return false;
    p++;
  } else {
    while (p < to && buf[p] !== COLON) {
      const c = buf[p]!;
      if (HOST[c] === 0 || c === OPEN || c === CLOSE) return false;
      p++;
    }
    if (p === from) return false;
  }
  if (p === to) return true;
  if (buf[p] !== COLON || to - p > 6) return false;
  let port = 0;
  for (p++; p < to; p++) {
    const digit = buf[p]! - 48;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65_535;
}

/** Equal but for case. Ranges are pairs, half-open, of the same buffer. */
export function sameHost(buf: Uint8Array, a: readonly [number, number], b: readonly [number, number]): boolean {
  const length = a[1] - a[0];
  if (b[1] - b[0] !== length) return false;
  for (let k = 0; k < length; k++) if (LOWER[buf[a[0] + k]!] !== LOWER[buf[b[0] + k]!]) return false;
  return true;
}

/** Hexadecimal digits, colons, and the dots of an embedded IPv4 address; the kernel judges the rest. */
function isIpv6Byte(c: number): boolean {
  return (c >= 48 && c <= 58) || ((c | 32) >= 97 && (c | 32) <= 102) || c === 46;
}
