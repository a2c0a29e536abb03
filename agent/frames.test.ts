import { expect, test } from "vitest";
import { FRAME_BYTES_MAX, FrameReader, encodeFrame } from "./frames.ts";

const MESSAGES = [{ type: "hello", pid: 1 }, { text: "ü".repeat(300) }, {}];

test.each([1, 2, 3, 7, 10_000])("messages come out whole whatever the pieces (%d bytes)", (size) => {
  const bytes = Buffer.concat(MESSAGES.map(encodeFrame));
  const reader = new FrameReader();
  const found: unknown[] = [];
  for (let at = 0; at < bytes.length; at += size) found.push(...reader.push(bytes.subarray(at, at + size)));
  expect(found).toEqual(MESSAGES);
});

test("a frame that is too long or no JSON ends the connection", () => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(FRAME_BYTES_MAX + 1, 0);
  expect(() => new FrameReader().push(head)).toThrow(/too long/);
  expect(() => new FrameReader().push(Buffer.from([0, 0, 0, 1, 0x7b]))).toThrow(/JSON/);
});
