import { expect, test } from "vitest";
import { bytes, feed, latin1, statusOf, threeWays, whole } from "../../test/fuzz/http-events.ts";
import { Framing, HttpLimits, Method } from "./constants.ts";
import type { MethodId } from "./constants.ts";
import type { Seen } from "../../test/fuzz/http-events.ts";
import { HttpParser } from "./parser.ts";
import type { HttpSink } from "./sink.ts";

const lines = (text: string): string => text.replace(/(?<!\r)\n/g, "\r\n");
const request = (text: string, end = false): Seen => threeWays(lines(text), { direction: "request", end });
const response = (text: string, asked: MethodId = Method.get, upgradeAsked = false): Seen =>
  threeWays(lines(text), { direction: "response", asked: [asked], upgradeAsked });
const quiet = { onHead() {}, onBody() {}, onTrailers() {}, onEnd() {} };

test("a request without body is one head and an end (RFC 9112 section 6.3 rule 7)", () => {
  const seen = request("GET /a?b=c HTTP/1.1\nHost: Example.org:80\nX-Empty:\nX-Many:  a \t b \t\n\n");
  expect(seen.messages).toEqual([{
    start: "GET /a?b=c 1.1", host: "example.org:80", framing: Framing.none, keepAlive: true, upgrade: false, body: "",
    trailers: [], ended: true, fields: ["Host: Example.org:80", "X-Empty: ", "X-Many: a \t b"],
  }]);
});

test("Content-Length bodies end exactly, also pipelined ones (RFC 9112 section 9.3.2)", () => {
  const seen = request("POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello"
    + "PUT /b HTTP/1.1\nHost: a\nContent-Length: 0\n\nGET /c HTTP/1.1\nHost: a\n\n");
  expect(seen.messages.map((m) => [m.start, m.body, m.ended])).toEqual([
    ["POST / 1.1", "hello", true], ["PUT /b 1.1", "", true], ["GET /c 1.1", "", true]]);
});

test("pitfall 41: chunks are decoded, extensions forgotten, trailers kept apart and forbidden ones dropped", () => {
  const good = request("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: Chunked\n\n5;name=\"a;\\\"b\"\nhello\n"
    + "00c\n, wide world\n0\nX-Sum: 7\nContent-Length: 3\nAuthorization: x\nX-Mesh-Source: y\n\n");
  expect(good.messages[0]).toMatchObject({
    body: "hello, wide world", ended: true, fields: ["Host: a", "Transfer-Encoding: Chunked"],
    trailers: ["X-Sum: 7", "-Content-Length: 3", "-Authorization: x", "-X-Mesh-Source: y"],
  });
});

test("pitfall 41: chunk sizes, extensions and trailers are bounded", () => {
  const chunked = "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n";
  expect(request(`${chunked}${"0".repeat(12)}1\n`).error).toBe("chunkSize");
  expect(request(`${chunked}1;${"x".repeat(257)}\n`).error).toBe("chunkExtension");
  expect(request(chunked + `1;${"x".repeat(200)}\na\n`.repeat(82)).error).toBe("chunkExtension");
  expect(request(`${chunked}0\n${"X-T: 1\n".repeat(65)}\n`).error).toBe("trailerTooLarge");
  const long = `${chunked}0\nX: ${"y".repeat(17_000)}\n\n`.replaceAll("\n", "\r\n");
  expect(feed(whole(long), { direction: "request" }).error).toBe("trailerTooLarge");
});

test("pitfall 43: responses to HEAD, 204 and 304 have no body whatever they declare (RFC 9112 section 6.3)", () => {
  const head = response("HTTP/1.1 200 OK\nContent-Length: 9\n\n", Method.head);
  expect(head.messages[0]).toMatchObject({ framing: Framing.none, ended: true, fields: ["Content-Length: 9"] });
  const notModified = response("HTTP/1.1 304 Not Modified\nContent-Length: 9\n\n");
  expect(notModified.messages[0]).toMatchObject({ framing: Framing.none, ended: true, fields: ["Content-Length: 9"] });
  // RFC 9110 section 8.6: not allowed with 204, so it is not passed on.
  const noContent = response("HTTP/1.1 204\nContent-Length: 0\n\n");
  expect(noContent.messages[0]).toMatchObject({ start: "204  1.1", ended: true, fields: ["-Content-Length: 0"] });
  expect(response("HTTP/1.1 204 No\nTransfer-Encoding: chunked\n\n").error).toBe("codingOnBodiless");
});

test("pitfall 43: interim responses come before the final one and are bounded", () => {
  const seen = response("HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early\nLink: x\n\n"
    + "HTTP/1.1 200 OK\nContent-Length: 1\n\nx");
  expect(seen.messages.map((m) => m.start)).toEqual(["100 Continue 1.1", "103 Early 1.1", "200 OK 1.1"]);
  expect(response("HTTP/1.1 102 Wait\n\n".repeat(HttpLimits.interimCountMax + 1)).error).toBe("interimTooMany");
});

test("a response without length lasts until the connection closes", () => {
  const text = "HTTP/1.1 200 OK\r\n\r\nall the rest";
  const open = feed(whole(text), { direction: "response" });
  expect(open.messages[0]).toMatchObject({ framing: Framing.untilClose, keepAlive: false, ended: false });
  const closed = feed(whole(text), { direction: "response", end: true });
  expect(closed.messages[0]).toMatchObject({ body: "all the rest", ended: true });
  expect(closed.error).toBe("none");
});

test.each([
  ["GET / HTTP/1.1\r\nHo", "request"], ["GET / HTTP/1.1\r\nHost: a\r\n", "request"],
  ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfour", "request"],
  ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", "request"],
  ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour", "response"], ["HTTP/1.1 100 Continue\r\n\r\n", "response"],
  ["", "response"],
] as const)("an end in the middle of a message is no end: %j", (text, direction) => {
  expect(threeWays(text, { direction, end: true }).error).toBe("truncated");
});

test("an end between messages is an end", () => {
  expect(request("", true).error).toBe("none");
  expect(request("GET / HTTP/1.1\nHost: a\n\n", true).error).toBe("none");
});

test("pitfall 43: an upgrade is passed on for a clean request only, and 101 only when it was asked for", () => {
  const ask = "GET /chat HTTP/1.1\nHost: a\nConnection: keep-alive, Upgrade\n";
  expect(request(`${ask}Upgrade: websocket\n\n`).messages[0]!.upgrade).toBe(true);
  expect(request(`${ask}Upgrade: h2c\nHTTP2-Settings: x\n\n`).messages[0]).toMatchObject({
    upgrade: false, fields: ["Host: a", "-Connection: keep-alive, Upgrade", "-Upgrade: h2c", "-HTTP2-Settings: x"] });
  expect(request(`${ask}Upgrade: websocket, h2c\n\n`).messages[0]!.upgrade).toBe(false);
  expect(request(`${ask}Upgrade: a\nUpgrade: b\n\n`).messages[0]!.upgrade).toBe(false);
  expect(request("GET / HTTP/1.1\nHost: a\nUpgrade: websocket\n\n").messages[0]!.upgrade).toBe(false);
  expect(request(`${ask}Upgrade: websocket\nContent-Length: 1\n\nx`).messages[0]!.upgrade).toBe(false);
  const answer = "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\n\n";
  expect(response(answer, Method.get, true)).toMatchObject({ switched: true, error: "none" });
  expect(response(answer).error).toBe("switchUnasked");
  const raw = `${answer.replaceAll("\n", "\r\n")}\x81\x00`;
  const seen = feed(whole(raw), { direction: "response", upgradeAsked: true });
  expect(seen.consumed).toBe(raw.length - 2);
});

test("keep-alive follows version and Connection (RFC 9112 section 9.3)", () => {
  const keep = (version: string, connection: string): boolean =>
    request(`GET / HTTP/${version}\nHost: a\n${connection}\n`).messages[0]!.keepAlive;
  expect([keep("1.1", ""), keep("1.1", "Connection: close\n"), keep("1.0", "")]).toEqual([true, false, false]);
  expect(keep("1.0", "Connection: Keep-Alive\n")).toBe(true);
  expect(keep("1.1", "Connection: keep-alive\nConnection: x,close\n")).toBe(false);
  expect(feed(whole("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n"), { direction: "request" }).messages.length).toBe(1);
});

test("pitfall 43: hop-by-hop fields and those that Connection names stay behind, identity claims too", () => {
  const seen = request("GET / HTTP/1.1\nHost: a\nConnection: x-hop, Host, Content-Length\nX-Hop: 1\nKeep-Alive: 5\n"
    + "Proxy-Connection: x\nTE: trailers\nContent-Length: 0\nX-Mesh-Source: evil\nx_mesh_source: evil\n"
    + "X-Forwarded-Client-Cert: evil\nX-Meshed: fine\n\n");
  expect(seen.messages[0]!.fields).toEqual([
    "Host: a", "-Connection: x-hop, Host, Content-Length", "-X-Hop: 1", "-Keep-Alive: 5", "-Proxy-Connection: x",
    "-TE: trailers", "Content-Length: 0", "-X-Mesh-Source: evil", "-x_mesh_source: evil",
    "-X-Forwarded-Client-Cert: evil", "X-Meshed: fine"]);
});

test("Expect: 100-continue is seen, another expectation is 417, HTTP/1.0 has none (RFC 9110 section 10.1.1)", () => {
  const events: boolean[] = [];
  const sink: HttpSink = { ...quiet, onHead: (h) => void events.push(h.expectContinue) };
  for (const version of ["1.1", "1.0"]) {
    const parser = new HttpParser("request", sink);
    const text = bytes(`PUT / HTTP/${version}\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n`);
    parser.execute(text, 0, text.length);
  }
  expect(events).toEqual([true, false]);
  const other = request("PUT / HTTP/1.1\nHost: a\nExpect: tea\n\n");
  expect([other.error, statusOf(other.error)]).toEqual(["expectation", 417]);
});

test("pitfall 42: absolute-form gives host and path and must agree with Host (RFC 9112 section 3.2.2)", () => {
  const read = (target: string, host: string): string[] => {
    const out: string[] = [];
    const parser = new HttpParser("request", { ...quiet, onHead: (h) => void out.push(h.host(), h.path()) });
    const text = bytes(`${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    parser.execute(text, 0, text.length);
    return parser.error === 0 ? out : ["refused"];
  };
  expect(read("GET http://A.b:80/c?d", "a.B:80")).toEqual(["a.b:80", "/c?d"]);
  expect(read("GET HTTPS://a", "a")).toEqual(["a", "/"]);
  expect(read("GET http://a?x", "a")).toEqual(["a", "/?x"]);
  expect(read("OPTIONS http://a", "a")).toEqual(["a", "*"]);
  expect(read("OPTIONS *", "a")).toEqual(["a", "*"]);
  expect(read("GET http://a/", "b")).toEqual(["refused"]);
  expect(read("GET http://a@b/", "a@b")).toEqual(["refused"]);
  expect(read("GET ftp://a/", "a")).toEqual(["refused"]);
  expect(read("GET http:///x", "a")).toEqual(["refused"]);
});

test("pitfall 47: a head of 64 kB is refused with 431, however it comes, and not before", () => {
  const start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const fits = `${start}${"y".repeat(HttpLimits.headBytesMax - start.length - 4)}\r\n\r\n`;
  expect(threeWays(fits, { direction: "request" }).error).toBe("none");
  const over = `${start}${"y".repeat(HttpLimits.headBytesMax)}\r\n\r\n`;
  const seen = threeWays(over, { direction: "request" });
  expect([seen.error, statusOf(seen.error)]).toEqual(["headTooLarge", 431]);
  const many = `GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(256)}\r\n`;
  expect(threeWays(many, { direction: "request" }).error).toBe("fieldsTooMany");
  const long = request(`GET /${"y".repeat(HttpLimits.targetBytesMax)} HTTP/1.1\nHost: a\n\n`);
  expect([long.error, statusOf(long.error)]).toEqual(["targetTooLong", 414]);
});

test("pitfall 44: a response parser takes nothing that was not asked for", () => {
  const text = bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  let ends = 0;
  const parser = new HttpParser("response", { ...quiet, onEnd: () => void ends++ });
  expect(parser.execute(text, 0, text.length)).toBe(0);
  parser.expectResponse(Method.get, false);
  expect(parser.execute(text, 0, text.length)).toBe(text.length / 2);
  expect([ends, parser.idle]).toEqual([1, true]);
});

test("a sink may pause at the head, keep it, and go on later", () => {
  const seen: string[] = [];
  const parser: HttpParser = new HttpParser("request", {
    onHead: (head) => {
      head.retain();
      parser.pause();
    },
    onBody: (buf, from, to) => void seen.push(latin1(buf, from, to)),
    onTrailers() {},
    onEnd: () => void seen.push("end"),
  });
  const text = bytes("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nokGET");
  const at = parser.execute(text, 0, text.length);
  expect([at, seen.length, parser.inBody]).toEqual([text.length - 5, 0, true]);
  text.fill(0, 0, at);
  expect([parser.head.methodName(), parser.head.path(), parser.head.get("host")]).toEqual(["POST", "/p", "a"]);
  expect(parser.execute(text, at, text.length)).toBe(text.length - 3);
  expect(seen).toEqual(["ok", "end"]);
});
