/** Character classes of RFC 9110 and RFC 9112 as 256-byte tables: one load decides a byte. */

const table = (accept: (c: number) => boolean): Uint8Array => {
  const out = new Uint8Array(256);
  for (let c = 0; c < 256; c++) out[c] = accept(c) ? 1 : 0;
  return out;
};

const isDigit = (c: number): boolean => c >= 0x30 && c <= 0x39;
const isAlpha = (c: number): boolean => (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a);
const among = (c: number, characters: string): boolean => characters.includes(String.fromCharCode(c));

/** tchar (RFC 9110 section 5.6.2). */
export const TOKEN = table((c) => isDigit(c) || isAlpha(c) || (c < 0x80 && among(c, "!#$%&'*+-.^_`|~")));

/** field-content with its inner white space: SP, HTAB, VCHAR, obs-text (RFC 9110 section 5.5). Also reason phrases. */
export const VALUE = table((c) => c === 9 || (c >= 0x20 && c !== 0x7f));

/**
 * Bytes of a request-target: visible ASCII but `#`. Wider than RFC 3986 by `"<>\^{|}` and the backtick, which browsers
 * and curl send as they are; path rules look at the normalised path, where `\` is a slash.
 */
export const TARGET = table((c) => c > 0x20 && c < 0x7f && c !== 0x23);

/** uri-host and port, without brackets' structure; no comma, so that merged Host fields fail (RFC 3986 3.2.2). */
export const HOST = table((c) => isDigit(c) || isAlpha(c) || (c < 0x80 && among(c, "-._~%!$&'()*+;=:[]")));

/** 0–15 for a hexadecimal digit, else 255. */
export const HEX_VALUE = Uint8Array.from({ length: 256 }, (_, c) => {
  const digit = "0123456789abcdef".indexOf(String.fromCharCode(c).toLowerCase());
  return digit < 0 ? 255 : digit;
});

/** ASCII letters in lower case, other bytes as they are. */
export const LOWER = Uint8Array.from({ length: 256 }, (_, c) => (c >= 0x41 && c <= 0x5a ? c + 32 : c));

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;

/** ASCII text as bytes. */
export function ascii(text: string): Uint8Array {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}
