// hot: headers are written for every frame
/* oxlint-disable max-params */
/**
 * Frames of `mesh/1` (docs/tunnel.md). Every frame is an 8-byte header and its payload, all numbers big-endian:
 *
 *   0        2      3       4              8
 *   | length | type | flags | stream id     | payload, `length` bytes
 *
 * Only the side that opened the TLS connection opens streams, with ids 1, 2, 3 …; stream 0 is the tunnel itself.
 */

export const HEADER_SIZE = 8;
/** Payload of one DATA frame: with its header just under one TLS record. */
export const DATA_MAX = 16_376;
/** Payload of any other frame; an OPEN with its extensions has to fit. */
export const CONTROL_MAX = 1_024;
export const STREAM_ID_MAX = 0x7fff_ffff;
export const WINDOW_MAX = 0x7fff_ffff;

export const FrameType = {
  data: 0, open: 1, refuse: 2, window: 3, reset: 4, goaway: 5, ping: 6,
} as const;
export type FrameTypeId = (typeof FrameType)[keyof typeof FrameType];

/** Types from here on are extensions: a receiver that does not know one skips it. */
export const EXTENSION_TYPE_MIN = 0x80;

export const FrameFlag = {
  /** On DATA: the sender's last bytes on this stream. */
  end: 1,
  /** On PING: the answer. */
  ack: 1,
} as const;

export const StreamProtocol = { http: 1, tcp: 2 } as const;
export type StreamProtocolId = (typeof StreamProtocol)[keyof typeof StreamProtocol];

/**
 * Why a stream was not taken. Below 64 the receiver vouches that no byte reached an application, so the request may be
 * sent again elsewhere; from 64 on another instance would answer the same.
 */
export const Refusal = {
  unknownInstance: 1, draining: 2, overloaded: 3, connectFailed: 4, goingAway: 5,
  denied: 64, protocolUnsupported: 65, deadlineExceeded: 66, extensionUnsupported: 67,
} as const;
export type RefusalId = number;

export const isRetrySafe = (code: RefusalId): boolean => code < 64;

/** Why a stream was cut. */
export const ResetCode = {
  cancelled: 1, internal: 2, upstreamFailed: 3, policyChanged: 4, timeout: 5, protocol: 6, drained: 7,
} as const;

/** Why a tunnel ends: in GOAWAY. */
export const TunnelError = {
  none: 0, idle: 1, certificateChanged: 2, shutdown: 3,
  frameSize: 16, frameType: 17, streamId: 18, flowControl: 19, malformed: 20, tooManyControls: 21,
} as const;
export type TunnelErrorId = (typeof TunnelError)[keyof typeof TunnelError];

/** Extension of OPEN: a type, of which bit 15 says that a receiver without it must refuse, and its bytes. */
export interface Extension {
  readonly type: number;
  readonly value: Uint8Array;
}

export const EXTENSION_CRITICAL = 0x8000;

export interface OpenFrame {
  readonly protocol: StreamProtocolId;
  /** Milliseconds until the opener gives up; 0: no deadline. */
  readonly deadlineMs: number;
  /** The instance chosen by the caller; empty: any that is ready. ASCII, at most 255 bytes. */
  readonly instanceId: string;
  readonly extensions: readonly Extension[];
}

const NO_EXTENSIONS: readonly Extension[] = [];

export function writeHeader(out: Uint8Array, at: number, length: number, typeAndFlags: number, stream: number): number {
  out[at] = length >>> 8;
  out[at + 1] = length;
  out[at + 2] = typeAndFlags >>> 8;
  out[at + 3] = typeAndFlags;
  return writeU32(out, at + 4, stream);
}

export function writeU32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! * 0x1000000) + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}

/**
 * Payload of OPEN: protocol (1 byte), a zero byte, deadline in ms (4), length of the instance id (1), the id, then
 * extensions of type (2), length (2), value. Returns the bytes; OPEN is rare enough next to DATA to make them anew.
 */
export function encodeOpen(open: OpenFrame): Uint8Array {
  const id = open.instanceId;
  let size = 7 + id.length;
  for (const extension of open.extensions) size += 4 + extension.value.length;
  const out = new Uint8Array(size);
  out[0] = open.protocol;
  writeU32(out, 2, open.deadlineMs);
  out[6] = id.length;
  let at = 7;
  for (let i = 0; i < id.length; i++) out[at++] = id.charCodeAt(i);
  for (const { type, value } of open.extensions) {
    out[at] = type >>> 8;
    out[at + 1] = type;
    out[at + 2] = value.length >>> 8;
    out[at + 3] = value.length;
    out.set(value, at + 4);
    at += 4 + value.length;
  }
  return out;
}

/** Undefined when malformed. */
export function decodeOpen(bytes: Uint8Array, from: number, to: number): OpenFrame | undefined {
  if (to - from < 7) return undefined;
  const protocol = bytes[from]!;
  if (protocol !== StreamProtocol.http && protocol !== StreamProtocol.tcp) return undefined;
  const idTo = from + 7 + bytes[from + 6]!;
  if (bytes[from + 1] !== 0 || idTo > to) return undefined;
  let instanceId = "";
  for (let i = from + 7; i < idTo; i++) {
    const c = bytes[i]!;
    if (c < 0x21 || c > 0x7e) return undefined;
    instanceId += String.fromCharCode(c);
  }
  const extensions = idTo === to ? NO_EXTENSIONS : decodeExtensions(bytes, idTo, to);
  if (extensions === undefined) return undefined;
  return { protocol, deadlineMs: readU32(bytes, from + 2), instanceId, extensions };
}

function decodeExtensions(bytes: Uint8Array, from: number, to: number): readonly Extension[] | undefined {
  const out: Extension[] = [];
  let at = from;
  while (at < to) {
    if (at + 4 > to) return undefined;
    const type = (bytes[at]! << 8) | bytes[at + 1]!;
    const end = at + 4 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
    if (end > to) return undefined;
    out.push({ type, value: bytes.slice(at + 4, end) });
    at = end;
  }
  return out;
}
