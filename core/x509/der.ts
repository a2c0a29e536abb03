/**
 * DER in and out, on node-forge's ASN.1 layer. Forge also reads BER, so what it read must encode back to the very same
 * bytes: a signed part then has one spelling only, and the bytes that were verified are the bytes that were read.
 * Forge's types are declared in "./forge-asn1.d.ts".
 */
import asn1 from "node-forge/lib/asn1.js";
import { asciiDecode } from "../base/bytes.ts";
import { MeshError } from "../base/errors.ts";
import { formatTime, parseTime } from "./time.ts";

/** A value of forge's; only this file looks inside. */
export type Der = ReturnType<typeof asn1.create>;

/** Certificates here have less than 2 kB; what is far larger is not read at all. */
const DER_BYTES_MAX = 64 * 1024;
const DEPTH_MAX = 24;

const UNIVERSAL = 0x00;
const CONTEXT = 0x80;
const TAG = {
  boolean: 1, integer: 2, bitString: 3, octetString: 4, null: 5, oid: 6, utf8: 12, sequence: 16, set: 17,
  utcTime: 23, generalizedTime: 24,
} as const;

/** One byte per character, as forge wants it. */
const toBinary = (bytes: Uint8Array): string => asciiDecode(bytes);

function fromBinary(text: string): Uint8Array {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < out.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

/** Throws what every malformed encoding ends with. */
export function malformed(message: string): never {
  throw new MeshError("INVALID", message, { fix: "the file or message is damaged or not what it should be" });
}

// Reading

/** Reads one DER value that takes all of `bytes`; throws INVALID, naming `what`. */
export function decodeDer(bytes: Uint8Array, what: string): Der {
  if (bytes.length > DER_BYTES_MAX) malformed(`${what} has ${bytes.length} bytes, more than ${DER_BYTES_MAX}`);
  const binary = toBinary(bytes);
  let node: Der;
  let back: string;
  try {
    node = asn1.fromDer(binary, {
      strict: true, parseAllBytes: true, decodeBitStrings: false, maxDepth: DEPTH_MAX,
    });
    back = asn1.toDer(node).getBytes();
  } catch {
    return malformed(`${what} is not DER`);
  }
  if (back !== binary) malformed(`${what} is not DER: a length or number is not in its shortest form`);
  return node;
}

/** The bytes of a value, tag and length included; after decodeDer they are the ones that were read. */
export const encodeDer = (node: Der): Uint8Array => fromBinary(asn1.toDer(node).getBytes());

const is = (node: Der | undefined, tag: number): node is Der =>
  node !== undefined && node.tagClass === UNIVERSAL && node.type === tag;

/** The children of a SEQUENCE (or SET). */
export function readChildren(node: Der | undefined, what: string, tag: number = TAG.sequence): readonly Der[] {
  if (!is(node, tag) || typeof node.value === "string") return malformed(`${what} is missing or of another type`);
  return node.value;
}

/** The bytes of a SEQUENCE, tag and length included. */
export function readSequenceDer(node: Der | undefined, what: string): Uint8Array {
  readChildren(node, what);
  return encodeDer(node!);
}

/** The children under a constructed context tag, or undefined when `node` does not carry that tag. */
export function readExplicit(node: Der | undefined, tag: number): readonly Der[] | undefined {
  if (node === undefined || node.tagClass !== CONTEXT || node.type !== tag) return undefined;
  return typeof node.value === "string" ? undefined : node.value;
}

/** The contents of a primitive context-tagged value, or undefined when `node` does not carry that tag. */
export function readImplicit(node: Der | undefined, tag: number): Uint8Array | undefined {
  if (node === undefined || node.tagClass !== CONTEXT || node.type !== tag) return undefined;
  return typeof node.value === "string" ? fromBinary(node.value) : undefined;
}

function primitive(node: Der | undefined, tag: number, what: string): string {
  if (!is(node, tag) || typeof node.value !== "string") return malformed(`${what} is missing or of another type`);
  return node.value;
}

export function readOid(node: Der | undefined, what: string): string {
  const contents = primitive(node, TAG.oid, what);
  let dotted: string;
  try {
    dotted = asn1.derToOid(contents);
    // Forge also reads what cannot be an identifier; only what it writes back alike is one.
    if (contents === "" || asn1.oidToDer(dotted).getBytes() !== contents) dotted = "";
  } catch {
    dotted = "";
  }
  return dotted === "" ? malformed(`${what} is not an object identifier`) : dotted;
}

/** Contents octets of an INTEGER: two's complement, big endian, at least one octet. */
export function readInteger(node: Der | undefined, what: string): Uint8Array {
  const contents = fromBinary(primitive(node, TAG.integer, what));
  return contents.length === 0 ? malformed(`${what} is empty`) : contents;
}

export function readBoolean(node: Der | undefined, what: string): boolean {
  const contents = primitive(node, TAG.boolean, what);
  if (contents !== "\xff" && contents !== "\x00") malformed(`${what} is not a DER boolean`);
  return contents === "\xff";
}

export const isBoolean = (node: Der | undefined): boolean => is(node, TAG.boolean);
export const isInteger = (node: Der | undefined): boolean => is(node, TAG.integer);

export const readOctets = (node: Der | undefined, what: string): Uint8Array =>
  fromBinary(primitive(node, TAG.octetString, what));

/** The octets of a BIT STRING and how many bits at their end do not count. */
export function readBits(node: Der | undefined, what: string): { bytes: Uint8Array; unused: number } {
  const contents = fromBinary(primitive(node, TAG.bitString, what));
  const unused = contents[0] ?? 8;
  const bytes = contents.subarray(1);
  const last = bytes.at(-1) ?? 0;
  if (unused > 7 || (bytes.length === 0 && unused > 0) || (last & ((1 << unused) - 1)) !== 0) {
    malformed(`${what} is not a DER bit string`);
  }
  return { bytes, unused };
}

/** Wall milliseconds of a UTCTime or GeneralizedTime in the form that RFC 5280 4.1.2.5 allows. */
export function readTime(node: Der | undefined, what: string): number {
  const text = primitive(node, is(node, TAG.utcTime) ? TAG.utcTime : TAG.generalizedTime, what);
  return parseTime(text) ?? malformed(`${what} is not a time`);
}

// Writing

const cons = (tagClass: number, tag: number, children: readonly Der[]): Der =>
  asn1.create(tagClass, tag, true, [...children]);
const prim = (tagClass: number, tag: number, contents: string): Der => asn1.create(tagClass, tag, false, contents);

export const sequence = (...children: Der[]): Der => cons(UNIVERSAL, TAG.sequence, children);
export const set = (...children: Der[]): Der => cons(UNIVERSAL, TAG.set, children);
export const explicit = (tag: number, ...children: Der[]): Der => cons(CONTEXT, tag, children);
export const implicit = (tag: number, contents: Uint8Array): Der => prim(CONTEXT, tag, toBinary(contents));
export const oid = (dotted: string): Der => prim(UNIVERSAL, TAG.oid, asn1.oidToDer(dotted).getBytes());
export const nothing = (): Der => prim(UNIVERSAL, TAG.null, "");
export const boolean = (value: boolean): Der => prim(UNIVERSAL, TAG.boolean, value ? "\xff" : "\x00");
export const octets = (bytes: Uint8Array): Der => prim(UNIVERSAL, TAG.octetString, toBinary(bytes));
export const utf8String = (bytes: Uint8Array): Der => prim(UNIVERSAL, TAG.utf8, toBinary(bytes));

export const bits = (bytes: Uint8Array, unused = 0): Der =>
  prim(UNIVERSAL, TAG.bitString, String.fromCharCode(unused) + toBinary(bytes));

/** A number that is not negative, from its big-endian bytes; leading zeros go, one returns where the sign needs it. */
export function unsigned(bytes: Uint8Array): Der {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const body = toBinary(bytes.subarray(start));
  const sign = bytes.length === 0 || bytes[start]! >= 0x80 ? "\x00" : "";
  return prim(UNIVERSAL, TAG.integer, sign + body);
}

/** UTCTime up to 2049, GeneralizedTime after (RFC 5280 4.1.2.5); whole seconds, rounded down. */
export function time(wallMs: number): Der {
  const text = formatTime(wallMs);
  return prim(UNIVERSAL, text.length === 13 ? TAG.utcTime : TAG.generalizedTime, text);
}
