import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FrameDecoder } from "./decoder.ts";
import type { FrameSink } from "./decoder.ts";
import {
  CONTROL_MAX, DATA_MAX, FrameType, HEADER_SIZE, TunnelError, decodeOpen, encodeOpen, writeHeader,
} from "./frames.ts";

interface Frame { type: number; flags: number; stream: number; payload: Uint8Array }

function encode(frames: readonly Frame[]): Uint8Array {
  const out: number[] = [];
  for (const { type, flags, stream, payload } of frames) {
    const head = new Uint8Array(HEADER_SIZE);
    writeHeader(head, 0, payload.length, (type << 8) | flags, stream);
    out.push(...head, ...payload);
  }
  return Uint8Array.from(out);
}

/** Frames as a sink sees them, DATA put together again. */
function decode(pieces: readonly Uint8Array[]): { frames: Frame[]; error: number } {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder();
  let error = 0;
  const sink = {
    onDataStart: (stream: number, _length: number, flags: number) => {
      frames.push({ type: FrameType.data, flags, stream, payload: new Uint8Array(0) });
    },
    onData: (stream: number, bytes: Uint8Array, from: number, to: number) => {
      const frame = frames.at(-1)!;
      expect(frame.stream).toBe(stream);
      frame.payload = Uint8Array.from([...frame.payload, ...bytes.subarray(from, to)]);
    },
    onControl: (...[type, flags, stream, bytes, from, to]: Parameters<FrameSink["onControl"]>) => {
      frames.push({ type, flags, stream, payload: bytes.slice(from, to) });
    },
  };
  for (const piece of pieces) {
    error = decoder.push(piece, 0, piece.length, sink);
    if (error !== 0) break;
  }
  return { frames, error };
}

const frame = fc.record({
  type: fc.constantFrom(...Object.values(FrameType), 0x80, 0xff),
  flags: fc.integer({ min: 0, max: 255 }),
  stream: fc.integer({ min: 0, max: 0x7fff_ffff }),
  payload: fc.uint8Array({ maxLength: 40 }),
});

test("any split of the bytes gives the same frames; unknown extensions are skipped", () => {
  const anyCuts = fc.array(fc.integer({ min: 1, max: 23 }));
  fc.assert(fc.property(fc.array(frame, { maxLength: 12 }), anyCuts, (frames, cuts) => {
    const bytes = encode(frames);
    const pieces: Uint8Array[] = [];
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const end = Math.min(bytes.length, at + (cuts.length === 0 ? 1 : cuts[i % cuts.length]!));
      pieces.push(bytes.slice(at, end));
      at = end;
    }
    const known = frames.filter(({ type }) => type < 0x80);
    expect(decode(pieces)).toEqual({ frames: known, error: 0 });
    expect(decode([bytes])).toEqual({ frames: known, error: 0 });
  }), { numRuns: 300 });
});

test("arbitrary bytes never throw and never report more than they hold", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (pieces) => {
    const { frames } = decode(pieces);
    const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
    expect(frames.reduce((sum, { payload }) => sum + payload.length, 0)).toBeLessThanOrEqual(size);
  }), { numRuns: 500 });
});

test("frames that are too long, of an unknown type or with a stream id of 32 bits are errors", () => {
  const header = (length: number, type: number, stream: number): Uint8Array => {
    const out = new Uint8Array(HEADER_SIZE);
    writeHeader(out, 0, length, type << 8, stream);
    return out;
  };
  expect(decode([header(DATA_MAX + 1, FrameType.data, 1)]).error).toBe(TunnelError.frameSize);
  expect(decode([header(CONTROL_MAX + 1, FrameType.open, 1)]).error).toBe(TunnelError.frameSize);
  expect(decode([header(0, 7, 1)]).error).toBe(TunnelError.frameType);
  expect(decode([header(0, FrameType.data, 0x8000_0000)]).error).toBe(TunnelError.streamId);
});

test("OPEN keeps what was said, and refuses what is malformed", () => {
  const extension = fc.record({ type: fc.integer({ min: 0, max: 0xffff }), value: fc.uint8Array({ maxLength: 30 }) });
  const open = fc.record({
    protocol: fc.constantFrom(1 as const, 2 as const),
    deadlineMs: fc.integer({ min: 0, max: 0xffff_ffff }),
    instanceId: fc.stringMatching(/^[\x21-\x7e]{0,255}$/),
    extensions: fc.array(extension, { maxLength: 4 }),
  });
  fc.assert(fc.property(open, (value) => {
    const bytes = encodeOpen(value);
    expect(decodeOpen(bytes, 0, bytes.length)).toEqual(value);
    // Without its last byte it is something else, or nothing.
    const cut = decodeOpen(bytes, 0, bytes.length - 1);
    if (cut !== undefined) expect(encodeOpen(cut).length).toBe(bytes.length - 1);
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    decodeOpen(bytes, 0, bytes.length);
  }));
  expect(decodeOpen(Uint8Array.of(3, 0, 0, 0, 0, 0, 0), 0, 7)).toBeUndefined();
  expect(decodeOpen(Uint8Array.of(1, 0, 0, 0, 0, 0, 9), 0, 7)).toBeUndefined();
});
