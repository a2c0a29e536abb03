/** What the parser refuses, as small integers: 0 is no error. `HTTP_ERRORS` says each in words. */
export const HttpError = {
  none: 0,
  method: 1,
  target: 2,
  targetTooLong: 3,
  version: 4,
  versionUnsupported: 5,
  status: 6,
  lineEnd: 7,
  fieldName: 8,
  fieldFold: 9,
  fieldValue: 10,
  fieldsTooMany: 11,
  headTooLarge: 12,
  hostMissing: 13,
  hostRepeated: 14,
  hostInvalid: 15,
  hostMismatch: 16,
  lengthInvalid: 17,
  lengthRepeated: 18,
  codingRepeated: 19,
  codingUnknown: 20,
  codingWithLength: 21,
  codingInHttp10: 22,
  codingOnBodiless: 23,
  lookalike: 24,
  connectionInvalid: 25,
  expectation: 26,
  chunkSize: 27,
  chunkExtension: 28,
  chunkEnd: 29,
  trailerTooLarge: 30,
  interimTooMany: 31,
  switchUnasked: 32,
  truncated: 33,
} as const;
export type HttpErrorId = (typeof HttpError)[keyof typeof HttpError];

export interface HttpErrorInfo {
  /** Answer to a client that sent it; an upstream that sent it is always 502 `upstream_invalid`. */
  readonly status: number;
  /** Value of `x-mesh-error` and of the body's `error.code`. */
  readonly code: string;
  readonly message: string;
}

const bad = (message: string): HttpErrorInfo => ({ status: 400, code: "bad_request", message });
const large = (status: number, message: string): HttpErrorInfo => ({ status, code: "head_too_large", message });

/** Indexed by HttpErrorId. */
export const HTTP_ERRORS: readonly HttpErrorInfo[] = [
  { status: 500, code: "internal", message: "no error" },
  bad("the method is not a token"),
  bad("the request target is empty or holds a character that a URI may not have"),
  large(414, "the request target is longer than 32 kB"),
  bad("the start line does not end in an HTTP version"),
  { status: 505, code: "protocol_unsupported", message: "only HTTP/1.1 and HTTP/1.0 are spoken here" },
  bad("the status line is malformed"),
  bad("a line does not end in CR LF"),
  bad("a field name is empty, is not a token, or has white space before its colon"),
  bad("a field is folded over several lines"),
  bad("a field value holds a control character"),
  large(431, "there are more than 256 fields"),
  large(431, "the head is larger than 64 kB"),
  bad("the Host field is missing"),
  bad("there is more than one Host field"),
  bad("the Host field is not a valid host and port"),
  bad("the Host field differs from the authority of the request target"),
  bad("Content-Length is not a decimal number of at most 15 digits"),
  bad("there is more than one Content-Length field"),
  bad("there is more than one Transfer-Encoding field"),
  bad("the only transfer coding spoken here is chunked, once"),
  bad("Content-Length and Transfer-Encoding are both present"),
  bad("Transfer-Encoding in an HTTP/1.0 message"),
  bad("Transfer-Encoding on a response that has no body"),
  bad("a field name differs from a framing field only by underscores"),
  bad("the Connection field is not a list of tokens"),
  { status: 417, code: "bad_request", message: "the only expectation met here is 100-continue" },
  bad("a chunk size is not a hexadecimal number of at most 12 digits"),
  bad("a chunk extension is malformed or too long"),
  bad("a chunk does not end in CR LF"),
  bad("the trailer section is larger than 16 kB or has too many fields"),
  bad("too many interim responses"),
  bad("the protocol was switched without being asked"),
  bad("the connection ended in the middle of a message"),
];
