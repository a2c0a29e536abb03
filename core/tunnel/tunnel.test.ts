import * as fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { FrameType, Refusal, ResetCode, TunnelError, encodeOpen, writeHeader, writeU32 } from "./frames.ts";
import type { OpenFrame } from "./frames.ts";
import { NO_STREAM_HANDLER, STREAM_WINDOW } from "./stream.ts";
import type { StreamHandler, TunnelStream } from "./stream.ts";
import { TUNNEL_WINDOW } from "./sender.ts";
import type { TunnelHandler } from "./sender.ts";
import { Tunnel } from "./tunnel.ts";

const OPEN = encodeOpen({ protocol: 2, deadlineMs: 0, instanceId: "a", extensions: [] });
const slabs = { acquire: () => new Uint8Array(65_536), release: () => undefined };

/** A stream's end that remembers what came. */
class End implements StreamHandler {
  received = 0;
  sum = 0;
  ended = false;
  reset = -1;
  refused = -1;
  drained = 0;
  stream!: TunnelStream;
  /** Takes nothing while set. */
  stalled = false;
  owed = 0;
  readonly tunnel: () => Tunnel;

  constructor(tunnel: () => Tunnel) {
    this.tunnel = tunnel;
  }

  onBytes(bytes: Uint8Array, from: number, to: number): void {
    for (let i = from; i < to; i++) this.sum = (Math.imul(this.sum, 31) + bytes[i]!) | 0;
    this.received += to - from;
    if (this.stalled) this.owed += to - from;
    else this.tunnel().credit(this.stream, to - from);
  }

  resume(): void {
    this.stalled = false;
    this.tunnel().credit(this.stream, this.owed);
    this.owed = 0;
  }

  onEnd(): void {
    this.ended = true;
  }

  onReset(code: number): void {
    this.reset = code;
  }

  onRefused(code: number): void {
    this.refused = code;
  }

  onDrained(): void {
    this.drained++;
  }
}

/** Two tunnels and the pipes between them: bytes move when `pump` says so, in pieces of at most `piece`. */
class Wire {
  readonly near: Tunnel;
  readonly far: Tunnel;
  readonly accepted: End[] = [];
  readonly errors: number[] = [];
  goaway: number[] = [];
  idle = 0;
  refuseWith = 0;
  bytes = 0;
  private readonly random = seededRandom(7);

  constructor() {
    this.near = new Tunnel({ opener: true, slabs, handler: this.handler(() => 0) });
    this.far = new Tunnel({ opener: false, slabs, handler: this.handler((stream) => {
      if (this.refuseWith > 0) return this.refuseWith;
      const end = new End(() => this.far);
      end.stream = stream;
      this.accepted.push(end);
      return end;
    }) });
  }

  private handler(onOpen: (stream: TunnelStream, open: OpenFrame) => StreamHandler | number): TunnelHandler {
    return {
      onOpen,
      onOutput: () => undefined,
      onGoaway: (last, code) => this.goaway.push(last, code),
      onError: (code) => this.errors.push(code),
      onIdle: () => this.idle++,
    };
  }

  open(): End {
    const end = new End(() => this.near);
    end.stream = this.near.open(OPEN, end)!;
    return end;
  }

  /** One write of each side; true when anything moved. */
  step(): boolean {
    const there = this.move(this.near, this.far);
    const back = this.move(this.far, this.near);
    return there || back;
  }

  private move(from: Tunnel, to: Tunnel): boolean {
    const size = from.prepare();
    if (size === 0) return false;
    const slab = from.take();
    this.bytes += size;
    for (let at = 0; at < size;) {
      const end = Math.min(size, at + 1 + Math.floor(this.random() * 20_000));
      to.receive(slab, at, end);
      at = end;
    }
    return true;
  }

  run(): void {
    while (this.step());
  }
}

const piece = (size: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (i * 7 + seed) & 255);

function sumOf(bytes: Uint8Array, times: number): number {
  let sum = 0;
  for (let k = 0; k < times; k++) for (const b of bytes) sum = (Math.imul(sum, 31) + b) | 0;
  return sum;
}

test("bytes and ends arrive both ways, and the stream is forgotten", () => {
  const wire = new Wire();
  const near = wire.open();
  const bytes = piece(50_000, 1);
  wire.near.send(near.stream, bytes, 0, bytes.length);
  wire.near.end(near.stream);
  wire.run();
  const [far] = wire.accepted;
  expect(far).toMatchObject({ received: 50_000, sum: sumOf(bytes, 1), ended: true });
  expect(near.ended).toBe(false);
  wire.far.send(far!.stream, bytes, 0, 10);
  wire.far.end(far!.stream);
  wire.run();
  expect(near).toMatchObject({ received: 10, ended: true });
  expect([wire.near.streams.size, wire.far.streams.size, wire.idle]).toEqual([0, 0, 2]);
});

test("1 stalled of 100 streams holds nobody up, in either direction, 64 MB in all", () => {
  const wire = new Wire();
  const bytes = piece(65_536, 3);
  const share = 10; // 100 × 10 × 64 kB
  const near = Array.from({ length: 100 }, () => wire.open());
  wire.run();
  const far = wire.accepted;
  near[17]!.stalled = true;
  far[42]!.stalled = true;
  const left = new Map<End, number>([...near, ...far].map((end) => [end, share]));
  const feed = (end: End): void => {
    const rest = left.get(end)!;
    if (rest === 0 || end.stream.backlogSize > 0) return;
    end.tunnel().send(end.stream, bytes, 0, bytes.length);
    left.set(end, rest - 1);
  };
  let moved = true;
  while (moved) {
    for (const end of left.keys()) feed(end);
    moved = wire.step();
  }
  const want = share * bytes.length;
  near.forEach((end, i) => expect(end.received).toBe(i === 17 ? STREAM_WINDOW : want));
  far.forEach((end, i) => expect(end.received).toBe(i === 42 ? STREAM_WINDOW : want));
  near[17]!.resume();
  far[42]!.resume();
  moved = true;
  while (moved) {
    for (const end of left.keys()) feed(end);
    moved = wire.step();
  }
  for (const end of [...near, ...far]) expect(end).toMatchObject({ received: want, sum: sumOf(bytes, share) });
});

test("a reader that keeps up gets a larger window, to 1 MB at most, and the tunnel's growth has a bound", () => {
  const wire = new Wire();
  const bytes = piece(65_536, 5);
  const ends = Array.from({ length: 8 }, () => wire.open());
  wire.run();
  for (let round = 0; round < 200; round++) {
    for (const end of ends) if (end.stream.backlogSize === 0) wire.near.send(end.stream, bytes, 0, bytes.length);
    wire.step();
  }
  const targets = wire.accepted.map((end) => end.stream.receiveTarget);
  expect(Math.max(...targets)).toBeLessThanOrEqual(1_048_576);
  expect(Math.max(...targets)).toBeGreaterThan(STREAM_WINDOW);
  expect(targets.reduce((sum, target) => sum + target - STREAM_WINDOW, 0)).toBeLessThanOrEqual(4 * 1_048_576);
});

test("windows are never negative and never overrun, whatever both sides do", () => {
  const action = fc.record({
    what: fc.constantFrom("open", "send", "sendBack", "end", "endBack", "stall", "resume", "reset", "step", "step"),
    who: fc.nat(7),
    size: fc.integer({ min: 1, max: 200_000 }),
  });
  const bytes = piece(200_000, 9);
  fc.assert(fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
    const wire = new Wire();
    const near: End[] = [];
    for (const { what, who, size } of actions) {
      const mine = near[who];
      const theirs = wire.accepted[who];
      if (what === "open") near.push(wire.open());
      else if (what === "step") wire.step();
      else if (what === "send" && mine !== undefined && !mine.stream.localDone) {
        wire.near.send(mine.stream, bytes, 0, size);
      } else if (what === "sendBack" && theirs !== undefined && !theirs.stream.localDone) {
        wire.far.send(theirs.stream, bytes, 0, size);
      } else if (what === "end" && mine !== undefined) wire.near.end(mine.stream);
      else if (what === "endBack" && theirs !== undefined) wire.far.end(theirs.stream);
      else if (what === "stall" && theirs !== undefined) theirs.stalled = true;
      else if (what === "resume" && theirs !== undefined) theirs.resume();
      else if (what === "reset" && mine !== undefined) wire.near.reset(mine.stream, ResetCode.cancelled);
      for (const end of [...near, ...wire.accepted]) {
        expect(end.stream.sendWindow).toBeGreaterThanOrEqual(0);
        expect(end.stream.receiveWindow).toBeGreaterThanOrEqual(0);
        expect(end.stream.receiveWindow).toBeLessThanOrEqual(end.stream.receiveTarget);
      }
    }
    for (const end of wire.accepted) if (end.stalled) end.resume();
    wire.run();
    expect(wire.errors).toEqual([]);
    expect(wire.near.backlogSize).toBe(0);
  }), { numRuns: 100 });
});

test("arbitrary bytes never throw: a tunnel ends with a code, and every stream is told", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), (pieces) => {
    const wire = new Wire();
    const end = wire.open();
    for (const bytes of pieces) wire.near.receive(bytes, 0, bytes.length);
    if (wire.errors.length > 0) expect(end.reset >= 0 || end.refused >= 0).toBe(true);
    const other = new Wire();
    for (const bytes of pieces) other.far.receive(bytes, 0, bytes.length);
  }), { numRuns: 300 });
});

test("more than the window is a connection error, and the peer is told the code", () => {
  const wire = new Wire();
  const end = wire.open();
  wire.run();
  wire.accepted[0]!.stalled = true;
  const frame = new Uint8Array(8 + 16_000);
  for (let i = 0; i < 5; i++) {
    writeHeader(frame, 0, 16_000, FrameType.data << 8, end.stream.id);
    wire.far.receive(frame, 0, frame.length);
  }
  expect(wire.errors).toEqual([TunnelError.flowControl]);
  expect(wire.accepted[0]!.reset).toBe(TunnelError.flowControl);
  wire.run();
  expect(wire.goaway).toEqual([0x7fff_ffff, TunnelError.flowControl]); // no stream is called safe to retry
});

test.each([
  ["a WINDOW of zero", FrameType.window, 1, [0, 0, 0, 0], TunnelError.malformed],
  ["a WINDOW that overflows", FrameType.window, 1, [0x7f, 0xff, 0xff, 0xff], TunnelError.flowControl],
  ["a RESET of two bytes", FrameType.reset, 1, [0, 0], TunnelError.malformed],
  ["a RESET of a stream that was never opened", FrameType.reset, 9, [0, 0, 0, 1], TunnelError.streamId],
  ["DATA on a stream that was never opened", FrameType.data, 9, [1], TunnelError.streamId],
  ["a stream opened twice", FrameType.open, 1, [...OPEN], TunnelError.streamId],
  ["REFUSE from the opener", FrameType.refuse, 1, [1], TunnelError.malformed],
])("%s ends the tunnel", (...[, type, stream, payload, code]) => {
  const wire = new Wire();
  wire.open();
  wire.run();
  const frame = new Uint8Array(8 + payload.length);
  writeHeader(frame, 0, payload.length, type << 8, stream);
  frame.set(payload, 8);
  wire.far.receive(frame, 0, frame.length);
  expect(wire.errors).toEqual([code]);
});

test("a refusal says whether a retry is safe, and the bytes that were on their way are ignored", () => {
  const wire = new Wire();
  wire.refuseWith = Refusal.draining;
  const end = wire.open();
  const bytes = piece(1_000, 1);
  wire.near.send(end.stream, bytes, 0, bytes.length);
  wire.run();
  expect(end.refused).toBe(Refusal.draining);
  expect(wire.errors).toEqual([]);
});

test("GOAWAY goes in two steps: no new streams, then those that came too late are refused safely (pitfall 48)", () => {
  const wire = new Wire();
  const early = wire.open();
  wire.run();
  wire.far.goaway(TunnelError.shutdown, false);
  const crossing = wire.open(); // sent before the GOAWAY arrives
  wire.run();
  expect(wire.accepted).toHaveLength(2);
  expect(wire.near.open(OPEN, NO_STREAM_HANDLER)).toBeUndefined();
  wire.far.goaway(TunnelError.shutdown, true);
  wire.run();
  expect([early.reset, early.refused, crossing.refused]).toEqual([-1, -1, -1]);

  const late = new Wire();
  late.far.goaway(TunnelError.shutdown, true); // nothing accepted so far
  const lost = late.open();
  late.run();
  expect(lost.refused).toBe(Refusal.goingAway);
});

test("control frames overtake queued data", () => {
  const wire = new Wire();
  const bulky = wire.open();
  const other = wire.open();
  wire.run();
  const bytes = piece(400_000, 2);
  wire.near.send(bulky.stream, bytes, 0, bytes.length);
  expect(bulky.stream.backlogSize).toBeGreaterThan(0);
  wire.near.reset(other.stream, ResetCode.cancelled);
  wire.step();
  expect(wire.accepted[1]!.reset).toBe(ResetCode.cancelled);
});

test("pings are answered, and floods of them or of resets end the tunnel (pitfall 46)", () => {
  const wire = new Wire();
  wire.near.ping(5);
  wire.run();
  expect(wire.errors).toEqual([]);
  const ping = new Uint8Array(16);
  writeHeader(ping, 0, 8, FrameType.ping << 8, 0);
  for (let i = 0; i < 30_000 && wire.errors.length === 0; i++) wire.far.receive(ping, 0, ping.length);
  expect(wire.errors).toEqual([TunnelError.tooManyControls]);

  const rapid = new Wire();
  const bytes = new Uint8Array(8 + OPEN.length + 12);
  for (let id = 1; id < 30_000 && rapid.errors.length === 0; id++) {
    writeHeader(bytes, 0, OPEN.length, FrameType.open << 8, id);
    bytes.set(OPEN, 8);
    writeU32(bytes, writeHeader(bytes, 8 + OPEN.length, 4, FrameType.reset << 8, id), 1);
    rapid.far.receive(bytes, 0, bytes.length);
    if (rapid.far.prepare() > 0) rapid.far.take();
  }
  expect(rapid.errors).toEqual([TunnelError.tooManyControls]);
});

test("the tunnel's window is refilled on receipt: a stalled stream leaves it whole", () => {
  const wire = new Wire();
  const ends = Array.from({ length: 40 }, () => wire.open());
  wire.run();
  for (const end of wire.accepted) end.stalled = true;
  const bytes = piece(STREAM_WINDOW, 4);
  for (const end of ends) wire.near.send(end.stream, bytes, 0, bytes.length);
  wire.run();
  const parked = wire.accepted.reduce((sum, end) => sum + end.received, 0);
  expect(parked).toBe(40 * STREAM_WINDOW);
  expect(parked).toBeGreaterThan(TUNNEL_WINDOW);
});

test("a peer that takes nothing ends the tunnel with a code, whichever control frame is one too many", () => {
  const full = (tunnel: Tunnel): void => {
    const ping = new Uint8Array(16);
    writeHeader(ping, 0, 8, FrameType.ping << 8, 0);
    // 4,096 answers fill the slab, as many more wait.
    for (let i = 0; i < 2 * 4_096 && !tunnel.isEnded; i++) {
      if (controlsLeft(tunnel) === 0) return;
      tunnel.receive(ping, 0, ping.length);
    }
  };
  const wire = new Wire();
  const end = wire.open();
  wire.run();
  full(wire.far);
  wire.far.end(wire.accepted[0]!.stream);
  expect(wire.errors).toEqual([TunnelError.tooManyControls]);
  expect(wire.accepted[0]!.reset).toBe(TunnelError.tooManyControls);
  full(wire.near);
  expect(wire.near.open(OPEN, end)).toBeUndefined();
  expect(wire.errors).toEqual([TunnelError.tooManyControls, TunnelError.tooManyControls]);
});

/** How many control frames the tunnel still queues before it gives up. */
const controlsLeft = (tunnel: Tunnel): number =>
  4_096 - (tunnel as unknown as { outbox: { waiting: unknown[] } }).outbox.waiting.length;
