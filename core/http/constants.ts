/** Small integers of the HTTP/1.1 engine: it speaks numbers, not strings, until somebody asks for a string. */

/** How a message's body ends (RFC 9112 section 6.3). */
export const Framing = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const;
export type FramingId = (typeof Framing)[keyof typeof Framing];

/** Registered methods that the engine treats specially or counts by name; `other` is any further token. */
export const Method = {
  other: 0, get: 1, head: 2, post: 3, put: 4, delete: 5, options: 6, patch: 7, connect: 8, trace: 9,
} as const;
export type MethodId = (typeof Method)[keyof typeof Method];

/** Indexed by MethodId; the text of `other` is in the head. */
export const METHOD_NAMES: readonly string[] = [
  "", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE",
];

/** Forms of a request-target (RFC 9112 section 3.2). */
export const TargetForm = { origin: 0, absolute: 1, authority: 2, asterisk: 3 } as const;
export type TargetFormId = (typeof TargetForm)[keyof typeof TargetForm];

/** Fields that decide something. Everything else is `other` and passes as it came. */
export const Field = {
  other: 0,
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  expect: 5,
  upgrade: 6,
  te: 7,
  trailer: 8,
  via: 9,
  keepAlive: 10,
  proxyConnection: 11,
  maxForwards: 12,
  http2Settings: 13,
  /** `x-mesh-*` and `x-forwarded-client-cert`: what only a proxy may say. */
  identity: 14,
  /** Names that some applications read as a framing field: `content_length`, `transfer_encoding`. */
  lookalike: 15,
  /** Forbidden in trailers beside the framing and routing fields (RFC 9110 section 6.5.1). */
  notInTrailer: 16,
} as const;
export type FieldId = (typeof Field)[keyof typeof Field];

/** Bits of `Fields.flags`. */
export const FieldFlag = {
  /** Not forwarded: hop-by-hop, named by Connection, or a claim that the sender may not make. */
  drop: 1,
  /** White space differs from `name: value CRLF`: written anew when forwarded. */
  ragged: 2,
} as const;

/** Bounds of one message (pitfall 47). */
export const HttpLimits = {
  /** Start line and fields with their line ends. */
  headBytesMax: 65_536,
  /** A request-target longer than this is 414; RFC 9112 section 3 asks for 8,000 at least. */
  targetBytesMax: 32_768,
  /** Envoy's default is 100, Node's 2,000: room for cookies that were split, none for floods. */
  fieldCountMax: 256,
  methodBytesMax: 32,
  trailerBytesMax: 16_384,
  trailerCountMax: 64,
  /** 2^48 bytes: far inside what a double counts exactly. */
  chunkSizeDigitsMax: 12,
  chunkExtensionBytesMax: 256,
  /** All chunk extensions of one message: bytes that cost work and carry nothing. */
  chunkExtensionsTotalBytesMax: 16_384,
  /** 999 TB, and exact in a double. */
  contentLengthDigitsMax: 15,
  /** Interim (1xx) responses before the final one. */
  interimCountMax: 32,
} as const;
