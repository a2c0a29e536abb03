import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asciiDecode, bytesEqual, fromBase64, fromHex, toBase64, toHex, utf8Decode, utf8Encode } from "./bytes.ts";

const bytes = fc.uint8Array({ maxLength: 200 });

describe("bytes and text", () => {
  test("equal Node's own encodings", () => {
    fc.assert(fc.property(bytes, (b) => {
      expect(toHex(b)).toBe(Buffer.from(b).toString("hex"));
      expect(toBase64(b)).toBe(Buffer.from(b).toString("base64"));
      expect(toBase64(b, "url")).toBe(Buffer.from(b).toString("base64url"));
      expect(asciiDecode(b)).toBe(Buffer.from(b).toString("latin1"));
    }));
  });

  test("come back as they went", () => {
    fc.assert(fc.property(bytes, (b) => {
      expect(fromHex(toHex(b))).toEqual(b);
      expect(fromBase64(toBase64(b))).toEqual(b);
      expect(fromBase64(toBase64(b, "url"))).toEqual(b);
    }));
  });

  test("UTF-8 is Node's, and strict where Node replaces", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
      expect(Buffer.from(utf8Encode(text)).toString("utf8")).toBe(text.toWellFormed());
      expect(utf8Decode(utf8Encode(text))).toBe(text.toWellFormed());
    }));
    fc.assert(fc.property(bytes, (b) => {
      let oracle: string | undefined;
      try {
        oracle = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(b);
      } catch {
        oracle = undefined;
      }
      expect(utf8Decode(b)).toBe(oracle);
    }), { numRuns: 2000 });
  });

  test.each(["a", "zz", "0g"])("hex %s is refused", (text) => expect(fromHex(text)).toBeUndefined());
  test.each(["a", "a*bc", "ab=c"])("base64 %s is refused", (text) => expect(fromBase64(text)).toBeUndefined());

  test("equality looks at every byte", () => {
    expect(bytesEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(bytesEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    expect(bytesEqual(Uint8Array.of(1), Uint8Array.of(1, 2))).toBe(false);
  });
});
