/**
 * llhttp's vectors against our parser. llhttp serves every client there is, ours stands between hosts of one mesh and
 * refuses whatever two readers could read differently; DIVERGENCES lists every vector where the outcome differs.
 */
import { expect, test } from "vitest";
import { byteByByte, feed, halves, whole } from "../../test/fuzz/http-events.ts";
import type { Seen } from "../../test/fuzz/http-events.ts";
import { loadVectors } from "../../test/fuzz/llhttp-vectors.ts";
import type { Vector } from "../../test/fuzz/llhttp-vectors.ts";
import { Method } from "./constants.ts";

const CLOSED = "bytes after a message that said close are not taken; the caller closes the connection";
const EARLY = "refused too, once the head is complete (this one never is); the smuggling table has it whole";
const METHOD = "any token is a method (RFC 9110 section 9.1): a mesh must not break WebDAV's successors";
const NOT_HTTP = "only HTTP/1.0 and HTTP/1.1 are spoken here";
const EMPTY_LINES = "one empty line is forgiven before a request, none before a response (RFC 9112 section 2.2)";
const FRAGMENT = "a request target has no fragment (RFC 9112 section 3.2); it has several codings besides, refused too";
const H2C = "an upgrade to h2c is never passed on, so a 101 to it answers nothing that was asked (pitfall 45)";
const CODINGS = "chunked, once, is the only coding; anything else would be framed by guess (pitfall 39)";

const DIVERGENCES: Readonly<Record<string, string>> = {
  "request/connection.md: CRLF between requests, explicit `close` (lenient)": CLOSED,
  "request/connection.md: CRLF between requests, implicit `keep-alive`": EMPTY_LINES,
  "request/connection.md: Resetting flags when keep-alive is off (1.0, lenient)": CLOSED,
  "request/content-length.md: Error on `Content-Length` overflow": EARLY,
  "request/content-length.md: Error on duplicate `Content-Length`": EARLY,
  "request/invalid.md: HTTP protocol and ANNOUNCE method": METHOD,
  "request/invalid.md: Invalid method": METHOD,
  "request/method.md: ANNOUNCE request with RTSP": NOT_HTTP,
  "request/method.md: CONNECT with body": "its body is framed like any other; the proxy refuses CONNECT afterwards",
  "request/method.md: M-SEARCH request": "`*` is for OPTIONS only (RFC 9112 section 3.2.4); SSDP is not HTTP over TCP",
  "request/method.md: OPTIONS request with RTSP": NOT_HTTP,
  "request/method.md: PRI request HTTP2": "the preface is for the sniffer; in HTTP/1.1 it is a bad target",
  "request/method.md: SOURCE request with ICE": NOT_HTTP,
  "request/sample.md: No HTTP version": "HTTP/0.9 has no head to decide on",
  "request/transfer-encoding.md: POST with `chunked` as last transfer-encoding": FRAGMENT,
  "request/transfer-encoding.md: POST with `chunked` as last transfer-encoding (multiple headers)": FRAGMENT,
  "request/uri.md: Fragment in URI": "a request target has no fragment (RFC 9112 section 3.2)",
  "request/uri.md: `host:port` and basic auth": "userinfo in an http URI is an error (RFC 9110 section 4.2.4)",
  "response/connection.md: HTTP 100 first, then 400": EMPTY_LINES,
  "response/connection.md: HTTP 101 response with Upgrade and Content-Length header": H2C,
  "response/connection.md: HTTP 101 response with Upgrade and Transfer-Encoding header": H2C,
  "response/connection.md: HTTP 304 with Content-Length": EMPTY_LINES,
  "response/connection.md: HTTP/1.1 with keep-alive disabled and 204 status (lenient)": CLOSED,
  "response/connection.md: HTTP/1.1 with keep-alive disabled, content-length (lenient)": CLOSED,
  "response/pipelining.md: Should parse multiple events": EMPTY_LINES,
  "response/sample.md: HTTP version 0.9": NOT_HTTP,
  "response/sample.md: ICE response": NOT_HTTP,
  "response/sample.md: RTSP response": NOT_HTTP,
  "response/sample.md: Response starting with CRLF": EMPTY_LINES,
  "response/transfer-encoding.md: `chunked` before other transfer-encoding": CODINGS,
  "response/transfer-encoding.md: `chunkedchunked` transfer-encoding does not enable chunked enconding": CODINGS,
  "response/transfer-encoding.md: multiple transfer-encoding where chunked is not the last one": CODINGS,
};

const vectors = loadVectors();

/** llhttp's requests rarely name a host, which RFC 9112 section 3.2 demands and we enforce: each gets one. */
function withHost(input: string): string {
  if (/^host *:/im.test(input)) return input;
  return input.replace(/^\S+ (\S+) HTTP\/1\.1\r\n/gm, (line, target: string) =>
    `${line}Host: ${/^https?:\/\/([^/?]*)/.exec(target)?.[1] ?? "vector"}\r\n`);
}

function run(vector: Vector, cut: (text: string) => Uint8Array[]): Seen {
  const input = vector.direction === "request" ? withHost(vector.input) : vector.input;
  return feed(cut(input), {
    direction: vector.direction, asked: [Method.get], upgradeAsked: true, end: vector.type.endsWith("-finish"),
  });
}

/** One line for what a parser made of it, in terms that both have. */
function outcome(vector: Vector, seen: Seen | undefined): string {
  const enough = vector.switched && seen !== undefined && seen.messages.length >= vector.messages.length;
  if (seen === undefined ? vector.refused : seen.error !== "none" && !enough) return "refused";
  const all = seen === undefined ? vector.messages : seen.messages;
  // Where llhttp stops at a switch, we go on with requests: the answer decides (RFC 9110 section 7.8).
  const messages = vector.switched ? all.slice(0, vector.messages.length) : all;
  return JSON.stringify(messages.map((m) => ({
    start: m.start.replace(vector.direction === "request" ? / 1\.\d$/ : /^\d+ | ?1\.\d$/g, "").trim(),
    // Trailers are fields to llhttp; a Host that we added is not in its list.
    fields: [...m.fields, ...("trailers" in m ? m.trailers : [])].map((f) => f.replace(/^-/, "").trimEnd())
      .filter((f) => !/^host:/i.test(f)),
    // Its log shows line ends of bodies in several ways.
    body: m.body.replace(/[\r\n]/g, ""), ended: vector.switched ? true : m.ended,
  })));
}

const title = "pitfall 39, 40, 41: llhttp's vectors give the same messages, whole, halved and byte by byte";

test.skipIf(vectors === undefined)(`${title} (skipped where ../shared/vectors is absent)`, () => {
  expect(vectors!.length).toBeGreaterThan(200);
  const differing: string[] = [];
  for (const vector of vectors!) {
    if (vector.skipBody) continue;
    const expected = vector.type.includes("lenient") ? "refused" : outcome(vector, undefined);
    const ours = outcome(vector, run(vector, whole));
    if (ours !== expected) differing.push(vector.title);
    expect(outcome(vector, run(vector, byteByByte)), vector.title).toBe(ours);
    expect(outcome(vector, run(vector, halves)), vector.title).toBe(ours);
  }
  expect(differing.sort()).toEqual(Object.keys(DIVERGENCES).sort());
});
