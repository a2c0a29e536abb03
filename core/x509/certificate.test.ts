import { describe, expect, test } from "vitest";
import { build, leafParts, testCa } from "../../test/support/certificates.ts";
import { toHex } from "../base/bytes.ts";
import { parseCertificate } from "./certificate.ts";
import {
  bits, decodeDer, encodeDer, explicit, nothing, octets, oid, readChildren, sequence, time, unsigned,
} from "./der.ts";
import type { Der } from "./der.ts";
import { OID } from "./oids.ts";

/** RFC 5280 4.1, field by field: a good certificate is taken apart and put together with one part changed. */

const der = build(testCa(Date.UTC(2026, 10, 23)), leafParts()).der;
const outer = readChildren(decodeDer(der, "x"), "x");
const body = readChildren(outer[0], "x");
const EXTENSIONS = 7;

/** With part `at` of the body replaced, left out (undefined), or followed by another. */
function withBody(at: number, ...parts: Der[]): Uint8Array {
  const fields = [...body];
  fields.splice(at, 1, ...parts);
  return encodeDer(sequence(sequence(...fields), outer[1]!, outer[2]!));
}
const read = (bytes: Uint8Array) => (): unknown => parseCertificate(bytes);
const number = (...bytes: number[]): Der => unsigned(Uint8Array.from(bytes));
const repeated = (count: number, byte: number): Der => unsigned(new Uint8Array(count).fill(byte));
const rsa = sequence(oid(OID.rsaSha256), nothing());

test("taken apart and put together it is the same", () => {
  expect(toHex(withBody(1, body[1]!))).toBe(toHex(der));
  expect(read(der)).not.toThrow();
});

describe("the version is 3", () => {
  test.each([
    ["1", explicit(0, number(0))], ["2", explicit(0, number(1))], ["4", explicit(0, number(3))],
    ["258", explicit(0, number(2, 2))], ["empty", explicit(0)],
  ])("not %s", (_what, version) => {
    expect(read(withBody(0, version))).toThrow("the certificate is not version 3");
  });

  test("not left out", () => {
    expect(read(withBody(0))).toThrow("not version 3");
  });
});

describe("the serial number is positive and has 20 octets at most", () => {
  test("20 octets pass", () => {
    expect(parseCertificate(withBody(1, repeated(20, 0x7f))).serialHex).toBe("7f".repeat(20));
  });

  test.each([
    ["zero", number(0)], ["21 octets", repeated(21, 0x7f)],
    ["20 octets and a sign", repeated(20, 0xff)],
    ["negative", decodeDer(Uint8Array.of(2, 1, 0x80), "x")],
  ])("%s does not", (_what, serial) => {
    expect(read(withBody(1, serial))).toThrow("the serial number");
  });
});

describe("the rest of the body", () => {
  test("4.1.1.2: the algorithm inside and outside are the same", () => {
    expect(read(withBody(2, rsa))).toThrow("two signature algorithms");
    expect(read(encodeDer(sequence(outer[0]!, rsa, outer[2]!)))).toThrow("two signature algorithms");
  });

  test.each<[string, Uint8Array]>([
    ["a third time", withBody(4, sequence(time(0), time(0), time(0)))],
    ["one time", withBody(4, sequence(time(0)))],
    ["a time that is a text", withBody(4, sequence(octets(Uint8Array.of(1)), time(0)))],
    ["no extensions list in its field", withBody(EXTENSIONS, explicit(3))],
    ["two lists in it", withBody(EXTENSIONS, explicit(3, sequence(), sequence()))],
    ["an issuer's unique id", withBody(EXTENSIONS, explicit(1, octets(Uint8Array.of(1))))],
    ["both", withBody(EXTENSIONS, explicit(1, nothing()), body[EXTENSIONS]!)],
    ["a missing field", withBody(6)],
    ["a fourth part", encodeDer(sequence(...outer, nothing()))],
    ["no signature", encodeDer(sequence(outer[0]!, outer[1]!))],
    ["a body that is none", encodeDer(sequence(nothing(), outer[1]!, bits(Uint8Array.of(1))))],
  ])("%s is refused", (_what, bytes) => {
    expect(read(bytes)).toThrow(expect.objectContaining({ code: "INVALID" }));
  });

  test("no extensions at all is well-formed: the profile refuses it, not the reader", () => {
    expect(parseCertificate(withBody(EXTENSIONS)).extensions.uriSans).toEqual([]);
  });
});

describe("extensions", () => {
  const withExtension = (...parts: Der[]): Uint8Array =>
    withBody(EXTENSIONS, explicit(3, sequence(sequence(...parts))));
  const hex = (text: string): Der => octets(Buffer.from(text, "hex"));

  test.each<[string, Uint8Array]>([
    ["a critical flag that is written although it is false", withExtension(
      oid(OID.keyUsage), decodeDer(Uint8Array.of(1, 1, 0), "x"), hex("03020780"))],
    ["a field too many", withExtension(oid(OID.keyUsage), hex("03020780"), nothing())],
    ["no value", withExtension(oid(OID.keyUsage))],
    ["a negative path length", withExtension(oid(OID.basicConstraints), hex("30060101ff0201ff"))],
    ["a path length of two octets", withExtension(oid(OID.basicConstraints), hex("30070101ff02020100"))],
    ["a key usage of three octets", withExtension(oid(OID.keyUsage), hex("030400808080"))],
    ["a URI that is not ASCII", withExtension(oid(OID.subjectAltName), hex("30038601e4"))],
    ["a DNS name with a NUL", withExtension(oid(OID.subjectAltName), hex("30058203610062"))],
    ["a purpose that is no identifier", withExtension(oid(OID.extendedKeyUsage), hex("30020500"))],
    ["trailing bytes in a value", withExtension(oid(OID.keyUsage), hex("0302078000"))],
  ])("%s is refused", (_what, bytes) => {
    expect(read(bytes)).toThrow(expect.objectContaining({ code: "INVALID" }));
  });
});
