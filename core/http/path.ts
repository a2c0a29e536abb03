/**
 * The one form of a path that rules are compared with (pitfall 42). Applications differ in what they make of `%2F`,
 * `//`, `..` and `\`, so the form is the most resolved one: percent-encoded characters decoded, `\` a slash, slashes
 * merged, dot segments removed. What cannot be judged (a NUL or control character, a broken escape) has no form, and
 * a rule about paths must refuse it.
 */
import { HEX_VALUE } from "./tables.ts";

const PERCENT = 37;
const SLASH = 47;
const DOT = 46;
const QUESTION = 63;
const BACKSLASH = 92;

/** Normalised path without its query, Latin-1 by byte; undefined where there is no safe reading. */
export function normalisePath(buf: Uint8Array, from: number, to: number): string | undefined {
  let end = from;
  while (end < to && buf[end] !== QUESTION) end++;
  if (end - from === 1 && buf[from] === 42) return "*";
  if (from === end) return "/";
  if (isPlain(buf, from, end)) return segment(buf, from, end);
  const segments: string[] = [];
  let current = "";
  for (let p = from; p < end; p++) {
    let c = buf[p]!;
    if (c === PERCENT) {
      if (p + 2 >= end) return undefined;
      const high = HEX_VALUE[buf[p + 1]!]!;
      const low = HEX_VALUE[buf[p + 2]!]!;
      if (high > 15 || low > 15) return undefined;
      c = high * 16 + low;
      // Decoded once only: `%252F` is the text `%2F`, which nobody should decode again.
      if (c < 0x20 || c === 0x7f) return undefined;
      p += 2;
    }
    if (c === SLASH || c === BACKSLASH) {
      addSegment(segments, current);
      current = "";
    } else current += String.fromCharCode(c);
  }
  const folder = current === "" || current === "." || current === "..";
  addSegment(segments, current);
  const path = `/${segments.join("/")}`;
  return folder && path !== "/" ? `${path}/` : path;
}

/** Empty and `.` segments vanish, `..` takes the one before it. */
function addSegment(segments: string[], text: string): void {
  if (text === "" || text === ".") return;
  if (text === "..") segments.pop();
  else segments.push(text);
}

/** Already in the form: the common case, seen without building anything. */
function isPlain(buf: Uint8Array, from: number, to: number): boolean {
  if (buf[from] !== SLASH) return false;
  for (let p = from; p < to; p++) {
    const c = buf[p]!;
    if (c === PERCENT || c === BACKSLASH || c < 0x20 || c === 0x7f) return false;
    if (c === SLASH && p > from && buf[p - 1] === SLASH) return false;
    if (c === DOT && buf[p - 1] === SLASH) return false;
  }
  return true;
}

function segment(buf: Uint8Array, from: number, to: number): string {
  let out = "";
  for (let p = from; p < to; p++) out += String.fromCharCode(buf[p]!);
  return out;
}
