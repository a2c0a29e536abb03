import { expect, test } from "vitest";
import { crc32c, tableIsWhole } from "./tables.ts";

test("RFC 3720 B.4: CRC-32C of its examples", () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
});

test("what is no table is not whole, however short or wild", () => {
  expect(tableIsWhole(Buffer.alloc(0))).toBe(false);
  expect(tableIsWhole(Buffer.alloc(100))).toBe(false);
  expect(tableIsWhole(Buffer.alloc(100, 0xff))).toBe(false);
  const magic = Buffer.from("57fb808b247547db", "hex");
  for (const fill of [0, 1, 0x7f, 0x80, 0xff]) {
    expect(tableIsWhole(Buffer.concat([Buffer.alloc(60, fill), magic]))).toBe(false);
  }
});
