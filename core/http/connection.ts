// hot: runs once per head that has a Connection field
import { Field, FieldFlag } from "./constants.ts";
import type { Fields } from "./fields.ts";
import type { Head } from "./head.ts";
import { HTAB, LOWER, SP, TOKEN } from "./tables.ts";

const COMMA = 44;
const SLASH = 47;

/**
 * Reads every Connection field: close, keep-alive, upgrade, and the names of further fields that end here
 * (RFC 9110 section 7.6.1). Framing, Host and Via cannot be named away: they are rebuilt or needed by the next hop.
 * False when a value is not a list of tokens.
 */
export function readConnection(head: Head): boolean {
  const buf = head.buf;
  let close = false;
  let keepAlive = false;
  for (let i = 0; i < head.count; i++) {
    if (head.ids[i] !== Field.connection) continue;
    const to = head.at[4 * i + 3]!;
    let p = head.at[4 * i + 2]!;
    while (p < to) {
      const c = buf[p]!;
      if (c === COMMA || c === SP || c === HTAB) {
        p++;
        continue;
      }
      const from = p;
      while (p < to && TOKEN[buf[p]!] !== 0) p++;
      if (p === from) return false;
      if (isWord(buf, from, p, "close")) close = true;
      else if (isWord(buf, from, p, "keep-alive")) keepAlive = true;
      else if (isWord(buf, from, p, "upgrade")) head.upgrade = true;
      else dropNamed(head, from, p);
      while (p < to && (buf[p] === SP || buf[p] === HTAB)) p++;
      if (p < to && buf[p] !== COMMA) return false;
    }
  }
  // "close" wins over "keep-alive" (RFC 9112 section 9.3).
  if (close) head.keepAlive = false;
  else if (keepAlive) head.keepAlive = true;
  return true;
}

/** A 1.1 Upgrade field worth passing on: a list of protocol names, none of which is another HTTP or TLS. */
export function readUpgrade(head: Head, index: number): void {
  const buf = head.buf;
  const to = head.at[4 * index + 3]!;
  let p = head.at[4 * index + 2]!;
  head.upgrade = false;
  if (p === to) return;
  while (p < to) {
    const c = buf[p]!;
    if (c === COMMA || c === SP || c === HTAB) {
      p++;
      continue;
    }
    const from = p;
    while (p < to && (TOKEN[buf[p]!] !== 0 || buf[p] === SLASH)) p++;
    // h2c upgrade is off (pitfall 45): it would carry requests past every rule.
    if (p === from || startsWith(buf, from, p, "h2") || startsWith(buf, from, p, "http")) return;
    if (startsWith(buf, from, p, "tls")) return;
  }
  head.upgrade = true;
  head.upgradeIndex = index;
}

/** Whole value equals the word, without regard to case. */
export function valueIs(fields: Fields, index: number, word: string): boolean {
  return isWord(fields.buf, fields.at[4 * index + 2]!, fields.at[4 * index + 3]!, word);
}

/** The comma-separated value has the word as an element; parameters after `;` do not matter. */
export function valueHas(fields: Fields, index: number, word: string): boolean {
  const buf = fields.buf;
  const to = fields.at[4 * index + 3]!;
  let p = fields.at[4 * index + 2]!;
  while (p < to) {
    while (p < to && TOKEN[buf[p]!] === 0) p++;
    const from = p;
    while (p < to && TOKEN[buf[p]!] !== 0) p++;
    if (isWord(buf, from, p, word)) return true;
    while (p < to && buf[p] !== COMMA) p++;
  }
  return false;
}

function dropNamed(head: Head, from: number, to: number): void {
  const length = to - from;
  for (let i = 0; i < head.count; i++) {
    const name = head.at[4 * i]!;
    if (head.at[4 * i + 1]! - name !== length) continue;
    let k = 0;
    while (k < length && LOWER[head.buf[name + k]!] === LOWER[head.buf[from + k]!]) k++;
    if (k === length && !isProtected(head.ids[i]!)) head.flags[i]! |= FieldFlag.drop;
  }
}

function isProtected(id: number): boolean {
  return id === Field.host || id === Field.contentLength || id === Field.transferEncoding || id === Field.via
    || id === Field.expect || id === Field.maxForwards;
}

function isWord(buf: Uint8Array, from: number, to: number, word: string): boolean {
  return to - from === word.length && startsWith(buf, from, to, word);
}

function startsWith(buf: Uint8Array, from: number, to: number, word: string): boolean {
  if (to - from < word.length) return false;
  for (let k = 0; k < word.length; k++) if (LOWER[buf[from + k]!] !== word.charCodeAt(k)) return false;
  return true;
}
