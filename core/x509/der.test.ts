import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesEqual, fromHex, toHex } from "../base/bytes.ts";
import { MeshError } from "../base/errors.ts";
import {
  bits, boolean, decodeDer, encodeDer, implicit, octets, oid, readBits, readBoolean, readChildren, readImplicit,
  readInteger, readOctets, readOid, readTime, sequence, time, unsigned,
} from "./der.ts";
import type { Der } from "./der.ts";

const bytes = fc.uint8Array({ maxLength: 200 });
const again = (node: Der): Der => decodeDer(encodeDer(node), "a value");
const hex = (text: string): Uint8Array => fromHex(text.replaceAll(" ", ""))!;

describe("what is written reads back", () => {
  test("octets, bits, context tags", () => {
    fc.assert(fc.property(bytes, fc.integer({ min: 0, max: 30 }), (data, tag) => {
      expect(bytesEqual(readOctets(again(octets(data)), "x"), data)).toBe(true);
      expect(bytesEqual(readBits(again(bits(data)), "x").bytes, data)).toBe(true);
      expect(bytesEqual(readImplicit(again(implicit(tag, data)), tag)!, data)).toBe(true);
      expect(readImplicit(again(implicit(tag, data)), tag + 1)).toBeUndefined();
    }));
  });

  test("pitfall 29: numbers are positive and minimal", () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 24 }), (data) => {
      const read = readInteger(again(unsigned(data)), "x");
      expect(BigInt(`0x${toHex(read)}`)).toBe(BigInt(`0x${toHex(data)}`));
      expect(read[0]! < 0x80).toBe(true);
      expect(read.length === 1 || read[0] !== 0 || read[1]! >= 0x80).toBe(true);
    }));
    expect(toHex(encodeDer(unsigned(Uint8Array.of(0, 0, 0x80))))).toBe("02020080");
    expect(toHex(encodeDer(unsigned(Uint8Array.of())))).toBe("020100");
  });

  test("nesting, identifiers, booleans, times", () => {
    const node = again(sequence(sequence(), oid("1.2.840.10045.4.3.2"), boolean(true), time(1_800_000_000_000)));
    const [inner, id, flag, at] = readChildren(node, "x");
    expect(readChildren(inner, "x")).toEqual([]);
    expect(readOid(id, "x")).toBe("1.2.840.10045.4.3.2");
    expect(readBoolean(flag, "x")).toBe(true);
    expect(readTime(at, "x")).toBe(1_800_000_000_000);
  });
});

describe("X.690 10: BER that is not DER is refused", () => {
  test.each([
    ["a length in two bytes where one is enough", "04 81 01 00"],
    ["an indefinite length", "30 80 00 00"],
    ["a number with a superfluous zero", "02 02 00 01"],
    ["a truncated value", "04 05 00"],
    ["a truncated header", "30"],
    ["nothing", ""],
    ["trailing bytes", "05 00 00"],
    ["a length of 2 GB", "04 84 7f ff ff ff"],
    ["a child longer than its parent", "30 03 04 05 00"],
    ["nesting without end", "30 80".repeat(2000)],
    ["deep nesting", toHex(Array.from({ length: 30 }).reduce<Uint8Array>(
      (inner) => Uint8Array.of(0x30, inner.length, ...inner), Uint8Array.of(5, 0)))],
  ])("%s", (_what, text) => {
    expect(() => decodeDer(hex(text), "the thing")).toThrow(/^the thing is not DER/);
  });

  test("a bit string whose unused bits are set, or too many", () => {
    for (const text of ["03 02 01 01", "03 02 08 00", "03 01 01", "03 00"]) {
      expect(() => readBits(decodeDer(hex(text), "x"), "x")).toThrow(MeshError);
    }
  });

  test("a boolean that is neither 00 nor FF, and identifiers that are none", () => {
    expect(() => readBoolean(decodeDer(hex("01 01 01"), "x"), "x")).toThrow(MeshError);
    for (const text of ["06 00", "06 02 2a 80", "06 03 2a 80 01", "06 07 2a ff ff ff ff ff 7f"]) {
      expect(() => readOid(decodeDer(hex(text), "x"), "x")).toThrow(MeshError);
    }
  });

  test("more than 64 KiB is not looked at", () => {
    expect(() => decodeDer(new Uint8Array(65_537), "x")).toThrow(/more than 65536/);
  });
});

test("any bytes either read and write back alike, or are refused with INVALID", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
    try {
      expect(bytesEqual(encodeDer(decodeDer(data, "x")), data)).toBe(true);
    } catch (error) {
      expect(error).toBeInstanceOf(MeshError);
    }
  }), { numRuns: 500 });
});
