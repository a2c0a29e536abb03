import { expect, test } from "vitest";
import { bytes, latin1 } from "../../test/fuzz/http-events.ts";
import { Framing, Method } from "./constants.ts";
import type { MethodId } from "./constants.ts";
import { HttpParser } from "./parser.ts";
import { errorResponse, fitResponse } from "./respond.ts";
import { CHUNK_HEADER_BYTES_MAX, HeadEdits, serializeHead, serializeTrailers, serializedBytesMax, trailersBytesMax,
  writeChunkHeader } from "./serialize.ts";

interface Setup {
  readonly asked?: MethodId;
  readonly upgradeAsked?: boolean;
  readonly edits?: Partial<HeadEdits>;
}

/** The head that goes out for the one that came in, and the trailers. */
function pass(input: string, setup: Setup = {}): string {
  let out = "";
  const parser = new HttpParser(input.startsWith("HTTP/") ? "response" : "request", {
    onHead: (head) => {
      const edits = Object.assign(new HeadEdits(), { via: false }, setup.edits);
      const room = new Uint8Array(serializedBytesMax(head, edits) + 3).fill(0xee);
      const end = serializeHead(room, 3, head, edits);
      expect(end).toBeLessThanOrEqual(room.length);
      out += latin1(room, 3, end);
    },
    onBody() {},
    onTrailers: (trailers) => {
      const room = new Uint8Array(trailersBytesMax(trailers));
      out += latin1(room, 0, serializeTrailers(room, 0, trailers));
    },
    onEnd() {},
  });
  parser.expectResponse(setup.asked ?? Method.get, setup.upgradeAsked ?? false);
  const text = bytes(input.replaceAll("\n", "\r\n"));
  parser.execute(text, 0, text.length);
  expect(parser.error).toBe(0);
  return out.replaceAll("\r\n", "\n");
}

test("pitfall 38: what nothing touches goes out as it came", () => {
  const head = "POST /a?b HTTP/1.1\nHost: a\nContent-Length: 3\nX-Y: z\n\n";
  expect(pass(head)).toBe(head);
  const answer = "HTTP/1.1 200 All right\nTransfer-Encoding: chunked\nDate: x\n\n";
  expect(pass(answer)).toBe(answer);
});

test("white space is written one way", () => {
  expect(pass("GET / HTTP/1.1\nHost:a\nA:\t b  \nEmpty:\nC: d\n\n"))
    .toBe("GET / HTTP/1.1\nHost: a\nA: b\nEmpty: \nC: d\n\n");
  expect(pass("HTTP/1.1 204\n\n")).toBe("HTTP/1.1 204 \n\n");
});

test("pitfall 43: hop-by-hop fields, fields that Connection names and identity claims do not go out", () => {
  expect(pass("GET / HTTP/1.1\nConnection: X-Hop\nHost: a\nx-hop: 1\nKeep-Alive: 1\nX-Mesh-Source: x\nB: c\n\n"))
    .toBe("GET / HTTP/1.1\nHost: a\nB: c\n\n");
  expect(pass("HTTP/1.1 200 OK\nContent-Length: 0\nx-mesh-error: forged\nConnection: close\n\n"))
    .toBe("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
});

test("pitfall 43: Via names the version received (RFC 9110 section 7.6.3) and joins earlier ones", () => {
  const edits = { via: true, extra: bytes("x-mesh-source: web\r\n") };
  expect(pass("GET / HTTP/1.1\nHost: a\nVia: 1.1 other\n\n", { edits }))
    .toBe("GET / HTTP/1.1\nHost: a\nVia: 1.1 other\nvia: 1.1 mesh\nx-mesh-source: web\n\n");
  expect(pass("GET / HTTP/1.0\nHost: a\n\n", { edits: { via: true } }))
    .toBe("GET / HTTP/1.1\nHost: a\nvia: 1.0 mesh\n\n");
});

test("pitfall 42: absolute-form becomes origin-form; HTTP/1.0 without Host gets one", () => {
  expect(pass("GET http://a/b?c HTTP/1.1\nHost: a\n\n")).toBe("GET /b?c HTTP/1.1\nHost: a\n\n");
  expect(pass("GET http://a?c HTTP/1.1\nHost: a\n\n")).toBe("GET /?c HTTP/1.1\nHost: a\n\n");
  expect(pass("OPTIONS http://a HTTP/1.1\nHost: a\n\n")).toBe("OPTIONS * HTTP/1.1\nHost: a\n\n");
  expect(pass("GET http://a/ HTTP/1.0\n\n")).toBe("GET / HTTP/1.1\nhost: a\n\n");
  expect(pass("GET / HTTP/1.0\n\n", { edits: { fallbackHost: bytes("b.mesh") } }))
    .toBe("GET / HTTP/1.1\nhost: b.mesh\n\n");
});

test("framing is written anew where it changes", () => {
  const chunked = "HTTP/1.1 200 OK\nA: b\nTransfer-Encoding: chunked\nTrailer: x\n\n";
  expect(pass(chunked, { edits: { framing: Framing.untilClose, close: true } }))
    .toBe("HTTP/1.1 200 OK\nA: b\nconnection: close\n\n");
  expect(pass(chunked, { edits: { framing: Framing.length, contentLength: 1234 } }))
    .toBe("HTTP/1.1 200 OK\nA: b\ncontent-length: 1234\n\n");
  expect(pass("HTTP/1.0 200 OK\n\n", { edits: { framing: Framing.chunked } }))
    .toBe("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n");
});

test("pitfall 43: a valid upgrade keeps its pair, on both ways; TE: trailers is said anew", () => {
  expect(pass("GET / HTTP/1.1\nHost: a\nConnection: Upgrade, x\nX: 1\nUpgrade: websocket\n\n"))
    .toBe("GET / HTTP/1.1\nHost: a\nconnection: upgrade\nupgrade: websocket\n\n");
  expect(pass("HTTP/1.1 101 Go\nUpgrade: websocket\nConnection: upgrade\n\n", { upgradeAsked: true }))
    .toBe("HTTP/1.1 101 Go\nconnection: upgrade\nupgrade: websocket\n\n");
  expect(pass("GET / HTTP/1.1\nHost: a\nUpgrade: h2c\nConnection: upgrade\n\n")).toBe("GET / HTTP/1.1\nHost: a\n\n");
  expect(pass("GET / HTTP/1.1\nHost: a\nTE: gzip, trailers;q=1\nConnection: TE\n\n"))
    .toBe("GET / HTTP/1.1\nHost: a\nte: trailers\nconnection: te\n\n");
});

test("pitfall 43: Max-Forwards counts down on TRACE and OPTIONS alone (RFC 9110 section 7.6.2)", () => {
  expect(pass("OPTIONS / HTTP/1.1\nHost: a\nMax-Forwards: 10\n\n"))
    .toBe("OPTIONS / HTTP/1.1\nHost: a\nmax-forwards: 9\n\n");
  const other = "GET / HTTP/1.1\nHost: a\nMax-Forwards: 10\n\n";
  expect(pass(other)).toBe(other);
});

test("pitfall 41: trailers go out after the last chunk, without those that may not be there", () => {
  const out = pass("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n"
    + "0\nX-Sum:1\nHost: evil\nCookie: c\nY: 2\n\n");
  expect(out.slice(out.indexOf("\n\n") + 2)).toBe("0\nX-Sum: 1\nY: 2\n\n");
});

test.each([[1, "1\r\n"], [15, "f\r\n"], [16, "10\r\n"], [65_536, "10000\r\n"], [2 ** 47 + 1, "800000000001\r\n"]])(
  "chunk header of %i", (size, text) => {
    const out = new Uint8Array(CHUNK_HEADER_BYTES_MAX + 1);
    expect(latin1(out, 1, writeChunkHeader(out, 1, size))).toBe(text);
  });

test("an answer of the proxy's own is complete and says why", () => {
  const answer = { status: 503, code: "no_route", message: 'no route to "ü"', close: true };
  const text = Buffer.from(errorResponse(answer)).toString();
  const [head, body] = text.split("\r\n\r\n");
  expect(head).toBe("HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
    + `content-length: ${Buffer.byteLength(body!)}\r\nx-mesh-error: no_route\r\nconnection: close`);
  expect(JSON.parse(body!)).toEqual({ error: { code: "no_route", message: 'no route to "ü"' } });
  expect(Buffer.from(errorResponse({ ...answer, headOnly: true })).toString()).toBe(`${head}\r\n\r\n`);
});

test("a response is fitted to the client: an unknown length is chunked for 1.1, until close for 1.0", () => {
  const fit = (text: string, versionMinor: number, keepAlive: boolean): unknown[] => {
    let out: unknown[] = [];
    const parser = new HttpParser("response", {
      onHead: (head) => {
        const edits = new HeadEdits();
        const goesOn = fitResponse(edits, head, { methodId: Method.get, versionMinor, keepAlive });
        out = [edits.framing, edits.close, edits.keepAlive, goesOn];
      }, onBody() {}, onTrailers() {}, onEnd() {} });
    parser.expectResponse(Method.get, false);
    parser.execute(bytes(text), 0, text.length);
    return out;
  };
  const length = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const untilClose = "HTTP/1.0 200 OK\r\n\r\n";
  expect(fit(length, 1, true)).toEqual([-1, false, false, true]);
  expect(fit(length, 1, false)).toEqual([-1, true, false, false]);
  expect(fit(length, 0, true)).toEqual([-1, false, true, true]);
  expect(fit(chunked, 1, true)).toEqual([-1, false, false, true]);
  expect(fit(chunked, 0, true)).toEqual([Framing.untilClose, true, false, false]);
  expect(fit(untilClose, 1, true)).toEqual([Framing.chunked, false, false, true]);
  expect(fit(untilClose, 0, true)).toEqual([Framing.untilClose, true, false, false]);
});
