/** One table of what two parsers could read differently; each line is refused, whole and byte by byte. */
import { expect, test } from "vitest";
import { statusOf, threeWays } from "../../test/fuzz/http-events.ts";

const post = (fields: string, body = ""): string => `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`;
const get = (fields: string): string => `GET / HTTP/1.1\r\n${fields}\r\n`;
const chunked = (body: string): string => post("Transfer-Encoding: chunked\r\n", body);

/** Title, error, bytes. Each sits on pitfall 39 (framing), 40 (line and field syntax), 41 (chunks) or 42 (Host). */
const REQUESTS: readonly (readonly [string, string, string])[] = [
  ["39: Content-Length and Transfer-Encoding", "codingWithLength",
    post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")],
  ["39: Transfer-Encoding and Content-Length", "codingWithLength",
    post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n")],
  ["39: several Transfer-Encoding", "codingRepeated",
    post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")],
  ["39: chunked not last", "codingUnknown", post("Transfer-Encoding: chunked, identity\r\n")],
  ["39: chunked twice", "codingUnknown", post("Transfer-Encoding: chunked, chunked\r\n")],
  ["39: unknown coding", "codingUnknown", post("Transfer-Encoding: gzip\r\n")],
  ["39: coding with a prefix", "codingUnknown", post("Transfer-Encoding: xchunked\r\n")],
  ["39: coding quoted", "codingUnknown", post('Transfer-Encoding: "chunked"\r\n')],
  ["39: coding with a parameter", "codingUnknown", post("Transfer-Encoding: chunked;x=y\r\n")],
  ["39: empty coding", "codingUnknown", post("Transfer-Encoding:\r\n")],
  ["39: coding with a vertical tab", "fieldValue", post("Transfer-Encoding: \x0bchunked\r\n")],
  ["39: coding in HTTP/1.0", "codingInHttp10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["39: equal lengths twice", "lengthRepeated", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")],
  ["39: a list of lengths", "lengthInvalid", post("Content-Length: 3, 3\r\n", "abc")],
  ["39: signed length", "lengthInvalid", post("Content-Length: +3\r\n", "abc")],
  ["39: negative length", "lengthInvalid", post("Content-Length: -1\r\n")],
  ["39: hexadecimal length", "lengthInvalid", post("Content-Length: 0x3\r\n", "abc")],
  ["39: empty length", "lengthInvalid", post("Content-Length:\r\n")],
  ["39: length with a space", "lengthInvalid", post("Content-Length: 1 2\r\n")],
  ["39: length beyond counting", "lengthInvalid", post("Content-Length: 1000000000000000000000\r\n")],
  ["39: framing field with an underscore", "lookalike", post("Transfer_Encoding: chunked\r\n")],
  ["39: length with an underscore", "lookalike", post("Content_Length: 5\r\n")],
  ["40: bare LF after the request line", "lineEnd", "GET / HTTP/1.1\nHost: a\r\n\r\n"],
  ["40: bare LF after a field", "lineEnd", get("Host: a\nX: b\r\n")],
  ["40: bare LF as the empty line", "lineEnd", "GET / HTTP/1.1\r\nHost: a\r\n\n"],
  ["40: bare CR after a field", "lineEnd", get("Host: a\rX: b\r\n")],
  ["40: bare CR as the empty line", "lineEnd", "GET / HTTP/1.1\r\nHost: a\r\n\rGET"],
  ["40: NUL in a value", "fieldValue", get("Host: a\r\nX: a\0b\r\n")],
  ["40: NUL in a name", "fieldName", get("Host: a\r\nX\0: a\r\n")],
  ["40: DEL in a value", "fieldValue", get("Host: a\r\nX: \x7f\r\n")],
  ["40: folded field", "fieldFold", get("Host: a\r\nX: b\r\n c\r\n")],
  ["40: folded with a tab", "fieldFold", get("Host: a\r\nX: b\r\n\tTransfer-Encoding: chunked\r\n")],
  ["40: space before the first field", "fieldFold", get(" Host: a\r\n")],
  ["40: space before the colon", "fieldName", post("Transfer-Encoding : chunked\r\n")],
  ["40: tab before the colon", "fieldName", post("Content-Length\t: 3\r\n")],
  ["40: no colon", "fieldName", get("Host: a\r\nX\r\n")],
  ["40: empty name", "fieldName", get("Host: a\r\n: b\r\n")],
  ["40: a name with a bracket", "fieldName", get("Host: a\r\nX[]: b\r\n")],
  ["40: a name beyond ASCII", "fieldName", get("Host: a\r\nX\xe9: b\r\n")],
  ["40: two spaces in the request line", "target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["40: two spaces before the version", "version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["40: a space after the version", "version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"],
  ["40: a tab for a space", "method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["40: a space in the target", "version", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["40: a control in the target", "target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["40: no version", "version", "GET /\r\n\r\n"],
  ["40: version in lower case", "version", "GET / http/1.1\r\nHost: a\r\n\r\n"],
  ["40: version 1.10", "version", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"],
  ["40: version 01.1", "versionUnsupported", "GET / HTTP/01.1\r\nHost: a\r\n\r\n"],
  ["40: version 1.2", "versionUnsupported", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"],
  ["40: version 2.0", "versionUnsupported", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"],
  ["40: two empty lines first", "method", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["40: Connection is no list", "connectionInvalid", get('Host: a\r\nConnection: "close"\r\n')],
  ["41: chunk size empty", "chunkSize", chunked("\r\n")],
  ["41: chunk size signed", "chunkSize", chunked("+1\r\na\r\n")],
  ["41: chunk size with 0x", "chunkSize", chunked("0x1\r\na\r\n")],
  ["41: chunk size after a space", "chunkSize", chunked(" 1\r\na\r\n")],
  ["41: chunk size before a space", "chunkSize", chunked("1 \r\na\r\n")],
  ["41: chunk size too long", "chunkSize", chunked("fffffffffffffffff\r\n")],
  ["41: bare LF after the size", "chunkEnd", chunked("1\na\r\n0\r\n\r\n")],
  ["41: bare LF in an extension", "chunkExtension", chunked("1;a\nb\r\n0\r\n\r\n")],
  ["41: bare CR after the size", "chunkEnd", chunked("1\ra\r\n0\r\n\r\n")],
  ["41: NUL in an extension", "chunkExtension", chunked("1;\0\r\na\r\n")],
  ["41: extension without a name", "chunkExtension", chunked("1;\r\na\r\n")],
  ["41: extension with an open quote", "chunkExtension", chunked('1;a="b\r\na\r\n')],
  ["41: data longer than the chunk", "chunkEnd", chunked("1\r\nab\r\n")],
  ["41: bare LF after the data", "chunkEnd", chunked("1\r\na\n0\r\n\r\n")],
  ["41: bare LF after the last chunk", "chunkEnd", chunked("0\n\n")],
  ["41: bare LF in the trailers", "lineEnd", chunked("0\r\nX: a\n\r\n")],
  ["41: folded trailer", "fieldFold", chunked("0\r\nX: a\r\n b\r\n\r\n")],
  ["42: no Host", "hostMissing", get("X: a\r\n")],
  ["42: two Hosts", "hostRepeated", get("Host: a\r\nHost: a\r\n")],
  ["42: two Hosts in one", "hostInvalid", get("Host: a, b\r\n")],
  ["42: empty Host", "hostInvalid", get("Host:\r\n")],
  ["42: Host with userinfo", "hostInvalid", get("Host: a@b\r\n")],
  ["42: Host with a path", "hostInvalid", get("Host: a/b\r\n")],
  ["42: Host with a port beyond range", "hostInvalid", get("Host: a:65536\r\n")],
  ["42: Host with a port that is none", "hostInvalid", get("Host: a:b\r\n")],
  ["42: Host as an open bracket", "hostInvalid", get("Host: [::1\r\n")],
  ["42: Host differs from the target", "hostMismatch", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["42: authority-form without CONNECT", "target", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["42: a fragment", "target", "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"],
];

test.each(REQUESTS)("pitfall %s is refused as %s", (_title, error, text) => {
  const seen = threeWays(text, { direction: "request" });
  expect(seen.error).toBe(error);
  expect(statusOf(seen.error)).toBeGreaterThanOrEqual(400);
  expect(seen.messages.every((m) => !m.ended)).toBe(true);
});

const RESPONSES: readonly (readonly [string, string, string])[] = [
  ["39: length and coding", "codingWithLength",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["39: two lengths", "lengthRepeated", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
  ["39: coding in HTTP/1.0", "codingInHttp10", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["39: unknown coding", "codingUnknown", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
  ["40: bare LF", "lineEnd", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"],
  ["40: status of two digits", "status", "HTTP/1.1 20 OK\r\n\r\n"],
  ["40: status of four digits", "status", "HTTP/1.1 2000 OK\r\n\r\n"],
  ["40: status below 100", "status", "HTTP/1.1 099 OK\r\n\r\n"],
  ["40: NUL in the reason", "status", "HTTP/1.1 200 O\0K\r\n\r\n"],
  ["40: space before the version", "version", " HTTP/1.1 200 OK\r\n\r\n"],
  ["40: folded field", "fieldFold", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"],
];

test.each(RESPONSES)("pitfall %s in a response is refused as %s", (_title, error, text) => {
  expect(threeWays(text, { direction: "response" }).error).toBe(error);
});
