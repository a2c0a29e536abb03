// hot: runs once per field of every head
import { Field } from "./constants.ts";
import type { FieldId } from "./constants.ts";
import { LOWER, ascii } from "./tables.ts";

const names = (...list: (readonly [string, FieldId])[]): readonly KnownName[] =>
  list.map(([name, id]) => ({ bytes: ascii(name), id }));

interface KnownName {
  readonly bytes: Uint8Array;
  readonly id: FieldId;
}

const KNOWN = names(
  ["host", Field.host],
  ["connection", Field.connection],
  ["content-length", Field.contentLength],
  ["transfer-encoding", Field.transferEncoding],
  ["expect", Field.expect],
  ["upgrade", Field.upgrade],
  ["te", Field.te],
  ["trailer", Field.trailer],
  ["via", Field.via],
  ["keep-alive", Field.keepAlive],
  ["proxy-connection", Field.proxyConnection],
  ["max-forwards", Field.maxForwards],
  ["http2-settings", Field.http2Settings],
  ["x-forwarded-client-cert", Field.identity],
  ["authorization", Field.notInTrailer],
  ["proxy-authorization", Field.notInTrailer],
  ["cookie", Field.notInTrailer],
  ["set-cookie", Field.notInTrailer],
  ["content-type", Field.notInTrailer],
  ["content-encoding", Field.notInTrailer],
  ["content-range", Field.notInTrailer],
  ["cache-control", Field.notInTrailer],
  ["range", Field.notInTrailer],
  ["location", Field.notInTrailer],
  ["vary", Field.notInTrailer],
);

const LONGEST = Math.max(...KNOWN.map((known) => known.bytes.length));

/** By length: no name is compared with more than three others, and those differ in their first byte or two. */
const BY_LENGTH: readonly (readonly KnownName[])[] =
  Array.from({ length: LONGEST + 1 }, (_, length) => KNOWN.filter((known) => known.bytes.length === length));

const IDENTITY_PREFIX = ascii("x-mesh-");
const UNDERSCORE = 95;
const HYPHEN = 45;
const X = 120;

/**
 * FieldId of the name in `buf[from, to)`. An underscore counts as a hyphen, because CGI and its heirs make one variable
 * of both: identity fields are caught in either spelling, and framing fields so spelt are `lookalike`.
 */
export function knownField(buf: Uint8Array, from: number, to: number): FieldId {
  const length = to - from;
  const first = LOWER[buf[from]!]!;
  if (first === X && length > IDENTITY_PREFIX.length && matches(buf, from, IDENTITY_PREFIX)) return Field.identity;
  if (length > LONGEST) return Field.other;
  const candidates = BY_LENGTH[length]!;
  for (let i = 0; i < candidates.length; i++) {
    const known = candidates[i]!;
    if (known.bytes[0] !== first || !matches(buf, from, known.bytes)) continue;
    if (known.id === Field.identity || !hasUnderscore(buf, from, to)) return known.id;
    return known.id === Field.contentLength || known.id === Field.transferEncoding ? Field.lookalike : Field.other;
  }
  return Field.other;
}

function matches(buf: Uint8Array, from: number, name: Uint8Array): boolean {
  for (let k = 1; k < name.length; k++) {
    const c = buf[from + k]!;
    if (LOWER[c] !== name[k] && !(c === UNDERSCORE && name[k] === HYPHEN)) return false;
  }
  return true;
}

function hasUnderscore(buf: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (buf[i] === UNDERSCORE) return true;
  return false;
}
