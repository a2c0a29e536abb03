/** The X.509 extensions of the SVID profile, each written and read in one place. */
import { asciiDecode, utf8Encode } from "../base/bytes.ts";
import {
  bits, boolean, decodeDer, encodeDer, explicit, implicit, isBoolean, malformed, octets, oid, readBits, readBoolean,
  readChildren, readImplicit, readInteger, readOctets, readOid, sequence,
} from "./der.ts";
import type { Der } from "./der.ts";
import { OID } from "./oids.ts";

/** GeneralName choices (RFC 5280 4.2.1.6). */
const DNS_NAME = 2;
const URI = 6;
const NAMES_MAX = 64;
const EXTENSIONS_MAX = 32;

export interface Extensions {
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | undefined } | undefined;
  /** Bits as in KEY_USAGE; undefined when absent. */
  readonly keyUsage: { readonly bits: number; readonly critical: boolean } | undefined;
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly subjectKeyId: Uint8Array | undefined;
  readonly authorityKeyId: Uint8Array | undefined;
  /** Identifiers of critical extensions that this code does not understand: such a certificate must be refused. */
  readonly unknownCritical: readonly string[];
}

// Writing

const extension = (id: string, critical: boolean, value: Der): Der =>
  sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(encodeDer(value)));

export const basicConstraintsExtension = (ca: boolean): Der =>
  extension(OID.basicConstraints, true, ca ? sequence(boolean(true)) : sequence());

/** `usage` in KEY_USAGE bits of the first byte; DER wants no trailing zero bits. */
export function keyUsageExtension(usage: number): Der {
  let byte = 0;
  for (let bit = 0; bit < 8; bit++) if ((usage & (1 << bit)) !== 0) byte |= 0x80 >> bit;
  const unused = byte === 0 ? 0 : 31 - Math.clz32(byte & -byte);
  return extension(OID.keyUsage, true, bits(Uint8Array.of(byte), unused));
}

export const extendedKeyUsageExtension = (ids: readonly string[]): Der =>
  extension(OID.extendedKeyUsage, false, sequence(...ids.map(oid)));

/** The URI comes first: some readers look no further than the first name. */
export const subjectAltNameExtension = (uri: string, dnsNames: readonly string[]): Der =>
  extension(OID.subjectAltName, false, sequence(
    implicit(URI, utf8Encode(uri)), ...dnsNames.map((name) => implicit(DNS_NAME, utf8Encode(name)))));

export const subjectKeyIdExtension = (id: Uint8Array): Der => extension(OID.subjectKeyId, false, octets(id));

export const authorityKeyIdExtension = (id: Uint8Array): Der =>
  extension(OID.authorityKeyId, false, sequence(implicit(0, id)));

export const extensionsField = (...list: Der[]): Der => explicit(3, sequence(...list));

// Reading

interface RawExtension {
  readonly id: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

function readRaw(node: Der): RawExtension {
  const parts = readChildren(node, "an extension");
  const id = readOid(parts[0], "an extension's identifier");
  const flagged = isBoolean(parts[1]);
  const critical = flagged && readBoolean(parts[1], "an extension's critical flag");
  if (flagged && !critical) malformed(`extension ${id} writes out a default value, which DER forbids`);
  if (parts.length !== (flagged ? 3 : 2)) malformed(`extension ${id} has a wrong number of fields`);
  return { id, critical, value: readOctets(parts.at(-1), `extension ${id}`) };
}

function readBasicConstraints(value: Uint8Array): { ca: boolean; pathLength: number | undefined } {
  const what = "basicConstraints";
  const parts = [...readChildren(decodeDer(value, what), what)];
  const ca = isBoolean(parts[0]) && readBoolean(parts.shift(), what);
  if (parts.length === 0) return { ca, pathLength: undefined };
  const number = readInteger(parts.shift(), "the path length");
  if (parts.length > 0 || number.length !== 1 || number[0]! > 127) malformed("the path length is wrong");
  return { ca, pathLength: number[0] };
}

function readKeyUsage(value: Uint8Array): number {
  const { bytes } = readBits(decodeDer(value, "keyUsage"), "keyUsage");
  if (bytes.length > 2) malformed("keyUsage has more bits than there are usages");
  let usage = 0;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    if ((bytes[bit >> 3]! & (0x80 >> (bit & 7))) !== 0) usage |= 1 << bit;
  }
  return usage;
}

function readIa5(bytes: Uint8Array, what: string): string {
  if (bytes.some((byte) => byte <= 0x20 || byte >= 0x7f)) malformed(`${what} has a character that cannot stand there`);
  return asciiDecode(bytes);
}

function readSubjectAltName(value: Uint8Array): { uriSans: string[]; dnsSans: string[] } {
  const names = readChildren(decodeDer(value, "subjectAltName"), "subjectAltName");
  if (names.length === 0 || names.length > NAMES_MAX) malformed(`subjectAltName has ${names.length} names`);
  const uriSans: string[] = [];
  const dnsSans: string[] = [];
  for (const name of names) {
    const uri = readImplicit(name, URI);
    const dns = readImplicit(name, DNS_NAME);
    if (uri !== undefined) uriSans.push(readIa5(uri, "a URI name"));
    else if (dns !== undefined) dnsSans.push(readIa5(dns, "a DNS name"));
  }
  return { uriSans, dnsSans };
}

function readAuthorityKeyId(value: Uint8Array): Uint8Array | undefined {
  const what = "authorityKeyIdentifier";
  return readImplicit(readChildren(decodeDer(value, what), what)[0], 0);
}

function readExtendedKeyUsage(value: Uint8Array): string[] {
  const what = "extendedKeyUsage";
  return readChildren(decodeDer(value, what), what).map((node) => readOid(node, what));
}

const KNOWN: readonly string[] = [
  OID.basicConstraints, OID.keyUsage, OID.extendedKeyUsage, OID.subjectAltName, OID.subjectKeyId, OID.authorityKeyId,
];

/** Reads the list under a certificate's [3]; throws INVALID on a malformed or repeated one (RFC 5280 4.2). */
export function readExtensions(list: Der | undefined): Extensions {
  const raw = list === undefined ? [] : readChildren(list, "the extensions").map(readRaw);
  if (raw.length > EXTENSIONS_MAX) malformed(`more than ${EXTENSIONS_MAX} extensions`);
  const byId = new Map(raw.map((one) => [one.id, one]));
  if (byId.size !== raw.length) malformed("an extension stands twice");
  const read = <T>(id: string, reader: (value: Uint8Array) => T): T | undefined => {
    const found = byId.get(id);
    return found === undefined ? undefined : reader(found.value);
  };
  const usage = read(OID.keyUsage, readKeyUsage);
  const names = read(OID.subjectAltName, readSubjectAltName);
  return {
    basicConstraints: read(OID.basicConstraints, readBasicConstraints),
    keyUsage: usage === undefined ? undefined : { bits: usage, critical: byId.get(OID.keyUsage)!.critical },
    extendedKeyUsage: read(OID.extendedKeyUsage, readExtendedKeyUsage),
    uriSans: names?.uriSans ?? [],
    dnsSans: names?.dnsSans ?? [],
    subjectKeyId: read(OID.subjectKeyId, (v) => readOctets(decodeDer(v, "subjectKeyId"), "subjectKeyId")),
    authorityKeyId: read(OID.authorityKeyId, readAuthorityKeyId),
    unknownCritical: raw.filter((one) => one.critical && !KNOWN.includes(one.id)).map((one) => one.id),
  };
}
